import type { Benchmark, BenchmarkCase } from '@thermocline/bench';

/** Figures of a case as people read them; an empty cell is one that was not measured. */
export function formatNumber(value: number | null, digits = 3): string {
  if (value === null) return '';
  return value >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(digits)));
}

export function gigabytes(value: number | null): string {
  return value === null ? '' : (value / 1e9).toFixed(value < 1e9 ? 3 : 1);
}

export function inPercent(share: number | null): string {
  return share === null ? '' : `${Math.round(share * 100)} %`;
}

export function times(ratio: number | null): string {
  return ratio === null ? '' : `${ratio.toFixed(2)}×`;
}

/** Engine and mode in one word: peers compute all there is. */
export function contenderName({ engine, mode }: Pick<BenchmarkCase, 'engine' | 'mode'>): string {
  return engine === 'thermocline' ? mode : engine;
}

/** What the cases of a run differ in, as columns; what is the same in all stands above. */
export function varying({ cases }: Benchmark): (keyof BenchmarkCase)[] {
  const names = ['threads', 'batch', 'context', 'busy_cores'] as const;
  return names.filter((name) => new Set(cases.map((one) => one[name])).size > 1);
}

/**
 * How a case compares with a peer that did the same work: its speed over the peer's, by the
 * peer's name. A peer that cannot be told threads or context stands for all of them.
 */
export function againstPeers(
  one: BenchmarkCase,
  { cases }: Pick<Benchmark, 'cases'>,
): { peer: string; prefill: number | null; decode: number | null }[] {
  if (one.engine !== 'thermocline') return [];
  const peers = cases.filter(
    (other) =>
      other.engine !== 'thermocline' &&
      other.model === one.model &&
      other.batch === one.batch &&
      other.context === one.context &&
      (other.threads ?? one.threads) === one.threads &&
      other.busy_cores === one.busy_cores,
  );
  const over = (mine: number | null, theirs: number | null) =>
    mine === null || theirs === null ? null : mine / theirs;
  return peers.map((peer) => ({
    peer: peer.engine,
    prefill: over(one.median.prefill_tokens_per_second, peer.median.prefill_tokens_per_second),
    decode: over(one.median.decode_tokens_per_second, peer.median.decode_tokens_per_second),
  }));
}
