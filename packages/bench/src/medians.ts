import { median } from 'simple-statistics';
import type {
  BenchmarkCase,
  BenchmarkMedian,
  BenchmarkModel,
  BenchmarkRound,
} from './benchmark.js';

/** A round's figure is the median of its repeats: those of one process are much alike. */
export function perRound(
  rounds: readonly BenchmarkRound[],
  figure: (round: BenchmarkRound) => readonly number[],
): number[] {
  return rounds.flatMap((round) => {
    const repeats = figure(round);
    return repeats.length > 0 ? [median([...repeats])] : [];
  });
}

/** Medians over the rounds of a case. */
export function medians(
  { rounds, batch }: Pick<BenchmarkCase, 'rounds' | 'batch'>,
  model: BenchmarkModel,
): BenchmarkMedian {
  const middle = (figure: (round: BenchmarkRound) => readonly number[] | number | null) => {
    const values = perRound(rounds, (round) => {
      const value = figure(round);
      return value === null ? [] : typeof value === 'number' ? [value] : value;
    });
    return values.length > 0 ? median(values) : null;
  };
  const loadMs = middle((round) => round.load_ms);
  const decode = middle((round) => round.decode_tokens_per_second);
  const p50 = middle((round) => round.ms_per_token?.p50 ?? null);
  const p99 = middle((round) => round.ms_per_token?.p99 ?? null);
  const bytes = middle((round) => round.bytes_per_token?.total ?? null);
  const peak = middle((round) => round.peak_memory_bytes);
  return {
    load_ms: loadMs,
    // The reading of weights where the engine tells it, otherwise all that opening takes.
    load_bytes_per_second: middle(readRate) ?? (loadMs ? (1000 * model.bytes) / loadMs : null),
    prefill_tokens_per_second: middle((round) => round.prefill_tokens_per_second),
    first_token_ms: middle((round) => round.first_token_ms),
    decode_tokens_per_second: decode,
    decode_tokens_per_second_per_sequence: decode === null ? null : decode / batch,
    ms_per_token: p50 === null || p99 === null ? null : { p50, p99 },
    inner_decode_tokens_per_second: middle((round) => round.inner_decode_tokens_per_second),
    peak_memory_bytes: peak === null ? null : Math.round(peak),
    bytes_per_token: bytes,
    bytes_counted_by: bytes === null ? null : 'engine',
    achieved_bytes_per_second: null,
    peak_share: middle((round) => round.beside_reading?.share ?? null),
    ffn_bytes_per_second: middle((round) => round.ffn_bytes_per_second),
    ffn_peak_share: middle((round) => round.beside_reading?.ffn_share ?? null),
  };
}

function readRate({ load }: BenchmarkRound): number | null {
  return load === null || load.seconds === 0 ? null : load.file_bytes / load.seconds;
}

/**
 * Adds bandwidths. A peer that does not count its bytes reads the same file: it is charged what
 * Thermocline's own dense decode reads for the same work.
 */
export function addBandwidth(cases: readonly BenchmarkCase[]): void {
  for (const one of cases) {
    const { median: figures } = one;
    if (figures.bytes_per_token === null && figures.decode_tokens_per_second !== null) {
      const same = cases.find((other) => isDenseTwin(one, other));
      figures.bytes_per_token = same?.median.bytes_per_token ?? null;
      if (figures.bytes_per_token !== null) figures.bytes_counted_by = 'thermocline dense';
    }
    const { bytes_per_token: bytes, decode_tokens_per_second: speed } = figures;
    if (bytes && speed !== null) figures.achieved_bytes_per_second = bytes * speed;
  }
}

/** The bytes of a token do not depend on threads or on other work. */
function isDenseTwin(one: BenchmarkCase, other: BenchmarkCase): boolean {
  return (
    other.engine === 'thermocline' &&
    other.mode === 'dense' &&
    other.median.bytes_counted_by === 'engine' &&
    other.model === one.model &&
    other.batch === one.batch &&
    other.context === one.context
  );
}
