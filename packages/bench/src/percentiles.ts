import { quantileSorted } from 'simple-statistics';

/** Median and 99th percentile of step times; `null` without any. */
export function percentiles(times: readonly number[]): { p50: number; p99: number } | null {
  if (times.length === 0) return null;
  const sorted = [...times].sort((a, b) => a - b);
  return { p50: quantileSorted(sorted, 0.5), p99: quantileSorted(sorted, 0.99) };
}
