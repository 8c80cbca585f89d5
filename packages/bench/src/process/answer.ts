/**
 * Ends a worker: prints its answer, with the processor time it took. Leaves without waiting for
 * anything, since some libraries keep the process alive.
 */
export function answer(result: object): void {
  const { user, system } = process.cpuUsage();
  const text = JSON.stringify({ ...result, cpuMs: (user + system) / 1000 });
  process.stdout.write(`\n${text}\n`, () => process.exit(0));
}

/** Ends a worker when whoever started it is gone. */
export function endWithParent(): void {
  process.stdin.on('end', () => process.exit(1)).on('error', () => process.exit(1));
  process.stdin.resume();
  process.stdin.unref();
}
