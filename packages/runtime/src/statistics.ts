/**
 * The middle value; of an even number of values, the mean of the two in the middle.
 *
 * @example
 * median([3, 1, 2]); // 2
 */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const above = sorted[middle] as number;
  return sorted.length % 2 === 1 ? above : ((sorted[middle - 1] as number) + above) / 2;
}
