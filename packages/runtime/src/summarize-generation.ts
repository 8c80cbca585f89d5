import { type StepStats, TIERS, type Tier } from '@thermocline/contracts';
import type { ModelResult } from './generation.js';
import { activeRatio, activeRatioPerLayer, computedRatio } from './step-stats.js';

/** The figures of a generation that people compare. `null`: too little was generated to say. */
export interface GenerationSummary {
  prefillTps: number | null;
  /** (generated − 1) ÷ (last − first token time) */
  decodeTps: number | null;
  firstTokenMs: number | null;
  /** Time from one token to the next. */
  msPerToken: { p50: number | null; p99: number | null };
  /** Share of neurons that fired: while decoding, or in the prompt where nothing was decoded. */
  ffnActiveRatio: number | null;
  /** [layers] */
  layerActiveRatios: (number | null)[];
  /** Share of neurons that were computed, of the same tokens; all of them but in lossy modes. */
  ffnComputedRatio: number | null;
  /** [layers] */
  layerComputedRatios: (number | null)[];
  /** Weights and KV read for each decoded token, by tier. */
  bytesPerToken: Record<Tier, number | null>;
  ffnBytesPerToken: Record<Tier, number | null>;
}

/**
 * Works out speed, sparsity and traffic of a generation.
 *
 * @example
 * const { decodeTps } = summarizeGeneration(await model.generate('Hi').result);
 */
export function summarizeGeneration(result: ModelResult): GenerationSummary {
  const { prefill, decode, tokenTimesMs: times } = result;
  const intervals = times.slice(1).map((time, index) => time - (times[index] as number));
  const decodeMs = intervals.reduce((sum, interval) => sum + interval, 0);
  const measured = decode.tokens > 0 ? decode : prefill;
  return {
    prefillTps: perSecond(prefill.tokens, prefill.timeMs),
    decodeTps: perSecond(intervals.length, decodeMs),
    firstTokenMs: times[0] ?? null,
    msPerToken: { p50: percentile(intervals, 0.5), p99: percentile(intervals, 0.99) },
    ffnActiveRatio: activeRatio(measured),
    layerActiveRatios: activeRatioPerLayer(measured),
    ffnComputedRatio: computedRatio(measured),
    layerComputedRatios: activeRatioPerLayer({ ...measured, fired: measured.computed }),
    bytesPerToken: perToken(decode, 'bytesRead'),
    ffnBytesPerToken: perToken(decode, 'ffnBytesRead'),
  };
}

function perSecond(count: number, ms: number): number | null {
  return count > 0 && ms > 0 ? (count / ms) * 1000 : null;
}

/** The smallest value that at least this share of all values does not exceed. */
function percentile(values: readonly number[], share: number): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}

function perToken(stats: StepStats, what: 'bytesRead' | 'ffnBytesRead') {
  const perTier = { gpu: null, cpu: null, flash: null } as Record<Tier, number | null>;
  for (const tier of TIERS) {
    if (stats.tokens > 0) perTier[tier] = stats[what][tier] / stats.tokens;
  }
  return perTier;
}
