import {
  BLOCK_COLUMNS,
  type FirstMatrix,
  type LowRankPredictor,
  PipelineError,
  type ScoreCurve,
} from '@thermocline/contracts';
import type { Candidate, OperatingPoint } from './choose-widths.js';
import type { Samples } from './collect-samples.js';
import { type View, viewsOf } from './plan-passes.js';
import { lowRankBytes } from './token-bytes.js';
import type { TrainRun } from './train-run.js';
import { truncatePredictor } from './truncate-predictor.js';

/** More widths than these are not told apart. */
const MOST_WIDTHS = 16;
const POINTS = 128;
/** Below this share of its width a factorisation is made anew: its scores are scaled for its own errors. */
const NARROWER = 0.7;
const SIZING_ROWS = { train: 16_384, heldOut: 4_096 };
/** A layer may get so many times the mean of what all may have. */
const WIDEST_SHARE = 4;

/**
 * The predictors of many widths a layer could have, and what each would find: products of thin
 * matrices, which need no training. Trained predictors of the same width do better, by much the same in
 * all layers, and want the same division of the budget.
 *
 * The terms of a product are in the order of what they explain, so one factorisation also serves for
 * somewhat narrower ones.
 */
export async function measureCandidates(
  run: TrainRun,
  samples: Samples,
  layer: number,
  first: FirstMatrix,
): Promise<Candidate[]> {
  const { math, signal } = run.options;
  const { train, heldOut } = samples.of(layer, viewsOf(run, layer)[0] as View, SIZING_ROWS);
  const common = { first, activation: run.model.activation, ...(signal && { signal }) };
  const candidates: Candidate[] = [];
  let fitted: LowRankPredictor | undefined;
  for (const rank of candidateRanks(run, layer).reverse()) {
    if (fitted === undefined || rank < NARROWER * fitted.down.rows) {
      const options = { kind: 'factorised', rank, type: 'Q8_0', ...common } as const;
      fitted = lowRankOf((await math.fit(train, heldOut, options)).predictor);
    }
    const options = { points: POINTS, ...(signal && { signal }) };
    const curve = await math.score(heldOut, truncatePredictor(fitted, rank), options);
    candidates.unshift({ rank, ...costOf(run, layer, rank), points: pointsOf(curve) });
  }
  return candidates;
}

/** What a low-rank predictor takes of the budget, and what a token reads of it. */
export function costOf(
  run: TrainRun,
  layer: number,
  rank: number,
): { size: number; bytes: number } {
  const bytes = lowRankBytes(run.model, layer, rank, run.type);
  const neurons = run.model.n_ff[layer] as number;
  const size = 'bytes' in run.budget ? bytes : rank * (run.model.d_model + neurons);
  return { size, bytes };
}

/** Multiples of 32 up to what a layer could reasonably get. */
function candidateRanks(run: TrainRun, layer: number): number[] {
  const { model } = run;
  const perRank = costOf(run, layer, BLOCK_COLUMNS).size;
  const fair = budgetSize(run) / model.layers / perRank;
  const blocks = Math.min(
    // With all columns of the hidden state it would be the matrix itself.
    Math.max(1, Math.ceil(model.d_model / BLOCK_COLUMNS) - 1),
    Math.max(1, Math.ceil(WIDEST_SHARE * fair)),
  );
  const step = Math.ceil(blocks / MOST_WIDTHS);
  const ranks: number[] = [];
  for (let block = step; block <= blocks; block += step) ranks.push(block * BLOCK_COLUMNS);
  return ranks;
}

/** The budget in the unit of `costOf().size`. */
export function budgetSize({ budget, parameters }: TrainRun): number {
  return 'bytes' in budget ? budget.bytes : budget.share * parameters;
}

/** A curve per token. */
function pointsOf(curve: ScoreCurve): OperatingPoint[] {
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
