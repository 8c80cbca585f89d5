import { expect, it } from 'vitest';
import type { BenchmarkCase, BenchmarkMedian, BenchmarkModel } from './benchmark.js';
import { addBandwidth, medians, perRound } from './medians.js';
import { sampleBenchmark, sampleRound } from './testing/sample-benchmark.js';

it('takes the median of rounds, of which each is the median of its repeats', () => {
  const rounds = [
    { ...sampleRound(1), decode_tokens_per_second: [1, 10, 3] },
    { ...sampleRound(1), decode_tokens_per_second: [] },
    { ...sampleRound(1), decode_tokens_per_second: [8, 6] },
  ];
  expect(perRound(rounds, (round) => round.decode_tokens_per_second)).toEqual([3, 7]);
  const model = sampleBenchmark([]).models[0] as BenchmarkModel;
  expect(medians({ rounds, batch: 2 }, model)).toMatchObject({
    decode_tokens_per_second: 5,
    decode_tokens_per_second_per_sequence: 2.5,
    prefill_tokens_per_second: null,
    load_bytes_per_second: 100_000,
    peak_share: 0.001,
    ffn_peak_share: null,
  });
});

it('charges peers what the own dense decode of the same work reads', () => {
  const silent = { bytes_per_token: null, bytes_counted_by: null };
  const cases = [
    caseOf(100, {}),
    caseOf(80, { engine: 'peer', threads: null }, silent),
    caseOf(80, { engine: 'peer', context: 9 }, silent),
  ];
  addBandwidth(cases);
  const found = cases.map(({ median }) => [
    median.bytes_counted_by,
    median.achieved_bytes_per_second,
  ]);
  expect(found).toEqual([
    ['engine', 1e9],
    ['thermocline dense', 8e8],
    [null, null],
  ]);
});

function caseOf(
  speed: number,
  changes: Partial<BenchmarkCase>,
  figures: Partial<BenchmarkMedian> = {},
): BenchmarkCase {
  const [one] = sampleBenchmark([speed], changes).cases as [BenchmarkCase];
  Object.assign(one.median, figures);
  return one;
}
