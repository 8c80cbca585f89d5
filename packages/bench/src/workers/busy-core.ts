const SLICE_MS = 50;

/** Keeps one core busy with arithmetic that touches no memory, until the process ends. */
export function burn(): void {
  process.stdout.write('burning\n');
  let value = 1;
  const slice = () => {
    const end = performance.now() + SLICE_MS;
    while (performance.now() < end) {
      for (let i = 0; i < 1000; i++) value = (value * 1103515245 + 12345) % 2147483648;
    }
    // A moment for the end of the standard input to be heard.
    setImmediate(slice);
  };
  slice();
}
