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
  expect(cases.map(({ median }) => [median.bytes_counted_by, median.peak_share])).toEqual([
    ['engine', 0.1],
    ['thermocline dense', 0.08],
    [null, null],
  ]);
});

it('holds each round against the memory of its own minutes', () => {
  const rounds = [
    { ...sampleRound(100, 0), peak_bytes_per_second: 2e9, ffn_bytes_per_second: 1e9 },
    { ...sampleRound(200, 1), peak_bytes_per_second: 4e9, ffn_bytes_per_second: 1e9 },
    { ...sampleRound(300, 2), peak_bytes_per_second: null, ffn_bytes_per_second: 1e9 },
  ];
  const one = caseOf(100, { rounds }, { decode_tokens_per_second: 200 });
  addBandwidth([one]);
  const { peak_share, ffn_peak_share, achieved_bytes_per_second } = one.median;
  expect([peak_share, ffn_peak_share, achieved_bytes_per_second]).toEqual([0.5, 0.375, 2e9]);
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
