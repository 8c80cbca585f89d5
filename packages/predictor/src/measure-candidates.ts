import {
  BLOCK_COLUMNS,
  type FirstMatrix,
  type LowRankPredictor,
  PipelineError,
  predictorBytes,
  type ScoreCurve,
} from '@thermocline/contracts';
import type { Candidate, OperatingPoint } from './choose-widths.js';
import type { Samples } from './collect-samples.js';
import { viewsOf } from './plan-passes.js';
import { lowRankBytes } from './token-bytes.js';
import type { TrainRun } from './train-run.js';
import { truncatePredictor } from './truncate-predictor.js';

/** More widths than these are not told apart. */
const MOST_WIDTHS = 16;
const POINTS = 128;
const SIZING_ROWS = { train: 16_384, heldOut: 4_096 };
/** A layer may get so many times the mean of what all may have. */
const WIDEST_SHARE = 4;

/**
 * The predictors of many widths a layer could have, and what each would find. One factorisation
 * serves for all: its first terms are the factorisation of that rank. Trained predictors of the same
 * width do better, by much the same in all layers.
 */
export async function measureCandidates(
  run: TrainRun,
  samples: Samples,
  layer: number,
  first: FirstMatrix,
): Promise<Candidate[]> {
  const { math, signal } = run.options;
  const { train, heldOut } = samples.of(layer, viewsOf(run, layer)[0] as 'same-layer', SIZING_ROWS);
  const ranks = candidateRanks(run, layer);
  const rank = ranks.at(-1) as number;
  const common = { first, ...(signal && { signal }) };
  const fit = await math.fit(train, heldOut, { kind: 'factorised', rank, type: 'Q8_0', ...common });
  const widest = lowRankOf(fit.predictor);
  const candidates: Candidate[] = [];
  for (const width of ranks) {
    const options = { points: POINTS, ...(signal && { signal }) };
    const curve = await math.score(heldOut, truncatePredictor(widest, width), options);
    candidates.push({ rank: width, ...costOf(run, layer, width), points: pointsOf(curve) });
  }
  return candidates;
}

/** What a low-rank predictor takes of the budget, and what a token reads of it. */
export function costOf(run: TrainRun, layer: number, rank: number): { size: number; bytes: number } {
  const bytes = lowRankBytes(run.model, layer, rank, run.type);
  const neurons = run.model.n_ff[layer] as number;
  const size = 'bytes' in run.budget ? bytes : rank * (run.model.d_model + neurons);
  return { size, bytes };
}

/** Multiples of 32 up to what a layer could reasonably get. */
export function candidateRanks(run: TrainRun, layer: number): number[] {
  const { model } = run;
  const perRank = costOf(run, layer, BLOCK_COLUMNS).size;
  const fair = budgetSize(run) / model.layers / perRank;
  const blocks = Math.min(
    Math.floor(model.d_model / BLOCK_COLUMNS),
    Math.max(1, Math.ceil(WIDEST_SHARE * fair)),
  );
  const step = Math.ceil(blocks / MOST_WIDTHS);
  const ranks: number[] = [];
  for (let block = step; block <= blocks; block += step) ranks.push(block * BLOCK_COLUMNS);
  if (ranks.length > 0) return ranks;
  const reason = `has ${model.d_model} values in its hidden state; low-rank predictors need ${BLOCK_COLUMNS}`;
  throw new PipelineError('INVALID_ARGUMENT', `The model ${reason}. Use kind "signs" or "gate".`, {
    argument: 'kind',
    reason,
  });
}

/** The budget in the unit of `costOf().size`. */
export function budgetSize({ budget, parameters }: TrainRun): number {
  return 'bytes' in budget ? budget.bytes : budget.share * parameters;
}

/** A curve per token. */
export function pointsOf(curve: ScoreCurve): OperatingPoint[] {
  const { tokens, predicted, hits, hitValue } = curve;
  return Array.from(predicted, (count, i) => ({
    predicted: count / tokens,
    hits: (hits[i] as number) / tokens,
    value: (hitValue[i] as number) / tokens,
  }));
}

function lowRankOf(predictor: { kind: string }): LowRankPredictor {
  if (predictor.kind === 'factorised') return predictor as LowRankPredictor;
  const reason = `asked for kind "factorised", the mathematics gave "${predictor.kind}"`;
  throw new PipelineError('INTERNAL', `${reason}.`, { reason });
}

/** Bytes of a predictor as a candidate; for kinds without a width. */
export function fixedCandidate(
  predictor: Parameters<typeof predictorBytes>[0],
  curve: ScoreCurve,
): Candidate {
  return { rank: 0, size: 0, bytes: predictorBytes(predictor), points: pointsOf(curve) };
}
