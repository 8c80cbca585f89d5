const MOST_REPEATS = 25;

/**
 * Repeats work until it took the given time in all, so that what takes a millisecond is measured
 * as well as what takes a minute. The work gives back its own time, ms.
 */
export async function repeatFor(leastMs: number, work: () => Promise<number>): Promise<number[]> {
  const times: number[] = [];
  let total = 0;
  do {
    const time = await work();
    times.push(time);
    total += time;
  } while (total < leastMs && times.length < MOST_REPEATS);
  return times;
}
