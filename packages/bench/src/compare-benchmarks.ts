import { PipelineError } from '@thermocline/contracts';
import type { Benchmark, BenchmarkCase, BenchmarkRound } from './benchmark.js';
import { perRound } from './medians.js';
import { LEAST_VALUES, ratioInterval } from './ratio-interval.js';

/** What is compared. Speeds are better when higher, times when lower. */
const MEASURES = {
  prefill: (round: BenchmarkRound) => round.prefill_tokens_per_second,
  decode: (round: BenchmarkRound) => round.decode_tokens_per_second,
} as const;
export type Measure = keyof typeof MEASURES;

export type Verdict = 'faster' | 'slower' | 'same' | 'unclear' | 'missing';

/** One figure of one case, before and after. */
export interface Comparison {
  engine: string;
  model: string;
  mode: string;
  threads: number | null;
  batch: number;
  context: number;
  busy_cores: number;
  measure: Measure;
  /** Medians, tokens/s; `null` where it was not measured. */
  before: number | null;
  after: number | null;
  ratio: number | null;
  interval: [number, number] | null;
  verdict: Verdict;
  /** Why the verdict is not clearer. */
  note: string | null;
}

export interface BenchmarkComparison {
  threshold: number;
  confidence: number;
  comparisons: Comparison[];
  /** What makes the two runs less alike than they should be. */
  warnings: string[];
  /** Figures of Thermocline that are slower, or are no longer measured. */
  failed: number;
}

export interface CompareOptions {
  /** Changes up to this share count as none; default 0.05. */
  threshold?: number;
  /** Of the intervals; default 0.95. */
  confidence?: number;
  /** Compare runs of different machines, with a warning. */
  allowOtherMachine?: boolean;
}

/**
 * Sets two runs side by side, case by case. A case is slower when the whole interval of its ratio
 * lies below 1 − threshold, faster when it lies above 1 + threshold, the same when it lies between
 * them, and unclear otherwise.
 *
 * @throws PipelineError `INVALID_ARGUMENT` for runs that say nothing about each other: other
 * models, other work, another machine
 *
 * @example
 * const { failed } = compareBenchmarks(await readBenchmark('main.json'), await readBenchmark('pr.json'));
 * if (failed > 0) process.exitCode = 1;
 */
export function compareBenchmarks(
  before: Benchmark,
  after: Benchmark,
  options: CompareOptions = {},
): BenchmarkComparison {
  const { threshold = 0.05, confidence = 0.95, allowOtherMachine = false } = options;
  requireSameWork(before, after);
  const warnings = machineWarnings(before, after, allowOtherMachine);
  const comparisons = before.cases.flatMap((old) => {
    const twin = after.cases.find((one) => key(one, after) === key(old, before));
    return (Object.keys(MEASURES) as Measure[]).flatMap((measure) =>
      compareCase(old, twin, before, measure, threshold, confidence),
    );
  });
  if (comparisons.length === 0) {
    throw incomparable('no case of the first run has a figure to compare');
  }
  return {
    threshold,
    confidence,
    comparisons,
    warnings: [...warnings, ...loadWarnings(before, after)],
    failed: comparisons.filter(
      ({ engine, verdict }) =>
        engine === 'thermocline' && (verdict === 'slower' || verdict === 'missing'),
    ).length,
  };
}

function compareCase(
  old: BenchmarkCase,
  twin: BenchmarkCase | undefined,
  { models }: Benchmark,
  measure: Measure,
  threshold: number,
  confidence: number,
): Comparison[] {
  const before = perRound(old.rounds, MEASURES[measure]);
  if (before.length === 0) return [];
  const { engine, mode, threads, batch, context, busy_cores } = old;
  const common = {
    engine,
    model: models[old.model]?.file ?? '',
    mode,
    threads,
    batch,
    context,
    busy_cores,
    measure,
    before: old.median[`${measure}_tokens_per_second`],
  };
  const after = twin === undefined ? [] : perRound(twin.rounds, MEASURES[measure]);
  if (twin === undefined || after.length === 0) {
    const why = twin?.reason ?? 'the second run has no such case';
    return [{ ...common, after: null, ratio: null, interval: null, verdict: 'missing', note: why }];
  }
  const { ratio, interval } = ratioInterval(before, after, confidence);
  return [
    {
      ...common,
      after: twin.median[`${measure}_tokens_per_second`],
      ratio,
      interval,
      verdict: judge(interval, threshold),
      note: interval === null ? `${LEAST_VALUES} rounds on each side are needed` : null,
    },
  ];
}

function judge(interval: [number, number] | null, threshold: number): Verdict {
  if (interval === null) return 'unclear';
  const [low, high] = interval;
  if (high < 1 - threshold) return 'slower';
  if (low > 1 + threshold) return 'faster';
  return low >= 1 - threshold && high <= 1 + threshold ? 'same' : 'unclear';
}

/** What makes two cases the same: all they were told, and the model's very weights. */
function key(one: BenchmarkCase, { models }: Benchmark): string {
  const { engine, mode, threads, batch, context, busy_cores } = one;
  const { fingerprint } = models[one.model] as Benchmark['models'][number];
  return JSON.stringify([engine, mode, threads, batch, context, busy_cores, fingerprint]);
}

// What decides how much work a case is.
const WORK = ['prompt_tokens', 'generate', 'decode', 'kv_type', 'recall', 'sparsity'] as const;

function requireSameWork(before: Benchmark, after: Benchmark): void {
  for (const name of WORK) {
    const [from, to] = [before.options[name], after.options[name]];
    if (from !== to) throw incomparable(`${name} is ${from} in one and ${to} in the other`);
  }
  const prints = new Set(after.models.map(({ fingerprint }) => fingerprint));
  const shared = before.models.filter(({ fingerprint }) => prints.has(fingerprint));
  if (shared.length > 0) return;
  const names = ({ models }: Benchmark) => models.map(({ file }) => file).join(', ');
  throw incomparable(
    `they are of other models (${names(before)}; ${names(after)}), judged by their fingerprints`,
  );
}

function machineWarnings(before: Benchmark, after: Benchmark, allowed: boolean): string[] {
  const [from, to] = [before.machine, after.machine];
  const warnings: string[] = [];
  if (from.processor !== to.processor || from.cores !== to.cores) {
    const machines = `${from.processor}, ${from.cores} cores; ${to.processor}, ${to.cores} cores`;
    if (!allowed) {
      throw incomparable(
        `they ran on different machines (${machines}): --other-machine compares all the same`,
      );
    }
    warnings.push(`The machines differ: ${machines}.`);
  }
  if (from.kernels !== to.kernels) {
    warnings.push(`The kernels differ: ${from.kernels}; ${to.kernels}.`);
  }
  const [peak, now] = [from.peak_bytes_per_second, to.peak_bytes_per_second];
  if (peak !== null && now !== null && Math.abs(now / peak - 1) > 0.1) {
    const speeds = `${(peak / 1e9).toFixed(1)} and ${(now / 1e9).toFixed(1)} GB/s`;
    warnings.push(`Memory itself was not as fast in both runs: ${speeds}.`);
  }
  return warnings;
}

function loadWarnings(before: Benchmark, after: Benchmark): string[] {
  const disturbed = ({ cases }: Benchmark) =>
    cases.flatMap(({ rounds }) => rounds).filter(({ other_load }) => (other_load ?? 0) > 0.25);
  const [from, to] = [disturbed(before).length, disturbed(after).length];
  if (from + to === 0) return [];
  return [
    `Others worked on the machine beside ${from} rounds of the first run and ${to} of the second.`,
  ];
}

function incomparable(reason: string): PipelineError<'INVALID_ARGUMENT'> {
  return new PipelineError('INVALID_ARGUMENT', `These runs cannot be compared: ${reason}.`, {
    argument: 'benchmarks',
    reason,
  });
}
