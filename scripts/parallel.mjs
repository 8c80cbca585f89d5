/** Works off a list in its order, `jobs` items at a time. */
export async function inParallel(jobs, items, work) {
  const waiting = [...items];
  const worker = async () => {
    while (waiting.length > 0) await work(waiting.shift());
  };
  await Promise.all(Array.from({ length: jobs }, worker));
}
