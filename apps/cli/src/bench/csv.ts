import type { Benchmark, BenchmarkCase, BenchmarkRound } from '@thermocline/bench';
import { stringify } from 'csv-stringify/sync';

/** One row for each round of each case, with all that was measured; cases without any say why. */
export function benchmarkCsv(benchmark: Benchmark): string {
  const rows = benchmark.cases.flatMap((one) => {
    const { file = '', fingerprint = '', synthetic = false } = benchmark.models[one.model] ?? {};
    const about = { model: file, fingerprint, synthetic: String(synthetic), ...caseCells(one) };
    if (one.rounds.length === 0) return [about];
    return one.rounds.map((round) => ({ ...about, ...roundCells(round) }));
  });
  return stringify(rows, { header: true, columns: [...COLUMNS] });
}

/** The first words of a file that may be replaced. */
export const CSV_START = 'model,fingerprint,synthetic,engine';

const COLUMNS = [
  'model',
  'fingerprint',
  'synthetic',
  'engine',
  'mode',
  'threads',
  'batch',
  'context',
  'busy_cores',
  'status',
  'reason',
  'round',
  'other_load',
  'load_ms',
  'prefill_tokens_per_second',
  'first_token_ms',
  'decode_tokens_per_second',
  'ms_per_token_p50',
  'ms_per_token_p99',
  'inner_decode_tokens_per_second',
  'peak_memory_bytes',
  'bytes_per_token',
  'ffn_bytes_per_token',
  'predictor_bytes_per_token',
  'computed_share',
  'ffn_bytes_per_second',
  'reading_bytes_per_second',
  'share_of_reading',
  'ffn_share_of_reading',
  'about',
] as const;

function caseCells(one: BenchmarkCase) {
  const { engine, mode, threads, batch, context, busy_cores, status, reason, about } = one;
  return { engine, mode, threads, batch, context, busy_cores, status, reason, about };
}

/** Repeats within a round stand in one cell, separated by spaces. */
function roundCells(round: BenchmarkRound) {
  const several = (values: readonly number[]) => values.map((value) => round6(value)).join(' ');
  return {
    round: round.round,
    other_load: round.other_load,
    load_ms: round.load_ms,
    prefill_tokens_per_second: several(round.prefill_tokens_per_second),
    first_token_ms: several(round.first_token_ms),
    decode_tokens_per_second: several(round.decode_tokens_per_second),
    ms_per_token_p50: round.ms_per_token?.p50,
    ms_per_token_p99: round.ms_per_token?.p99,
    inner_decode_tokens_per_second: several(round.inner_decode_tokens_per_second),
    peak_memory_bytes: round.peak_memory_bytes,
    bytes_per_token: round.bytes_per_token?.total,
    ffn_bytes_per_token: round.bytes_per_token?.ffn,
    predictor_bytes_per_token: round.bytes_per_token?.predictors,
    computed_share: round.computed_share,
    ffn_bytes_per_second: round.ffn_bytes_per_second,
    reading_bytes_per_second: round.beside_reading?.bytes_per_second,
    share_of_reading: round.beside_reading?.share,
    ffn_share_of_reading: round.beside_reading?.ffn_share,
  };
}

function round6(value: number): number {
  return Number(value.toPrecision(6));
}
