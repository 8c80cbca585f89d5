import { type Mode, PipelineError } from '@thermocline/contracts';
import { isLossy } from './is-lossy.js';
import type { Model } from './model.js';
import { requireNotAborted } from './require-not-aborted.js';
import { median } from './statistics.js';
import { type LoadedPredictors, namedLoss, type OperatingPoint } from './use-predictors.js';

const ROUNDS = 3;
const PROMPT_TOKENS = 8;

export interface ChooseModeOptions {
  /** The perplexity that may be lost, as a share of `dense`; default 0.01. */
  maxLoss?: number;
  /** Tokens each mode generates in each of three rounds, to be timed; default 16. */
  tokens?: number;
  signal?: AbortSignal;
}

/** A mode that was weighed. */
export interface ModeCandidate extends OperatingPoint {
  mode: Mode;
  /** Measured change of perplexity; 0 where nothing is lost. */
  loss: number;
  /** Median decode speed here and now; `null` where the loss ruled it out. */
  tokensPerSecond: number | null;
}

export interface ModeChoice extends ModeCandidate {
  candidates: ModeCandidate[];
  /** The bound that held. */
  maxLoss: number;
}

/**
 * Makes the fastest mode whose measured loss is within bounds the model's default, and moves the
 * thresholds of its predictors there. `dense` and `exact` lose nothing; the others count only with
 * losses that were measured, which the predictor set carries. Speeds are measured here, in turns.
 *
 * @throws PipelineError `INVALID_ARGUMENT`, `ABORTED`
 *
 * @example
 * const { mode, tokensPerSecond } = await chooseMode(model, { maxLoss: 0.02 });
 */
export async function chooseMode(
  model: Model,
  options: ChooseModeOptions = {},
): Promise<ModeChoice> {
  const { maxLoss = 0.01, tokens = 16, signal } = options;
  if (!(maxLoss >= 0)) {
    const reason = `${maxLoss} is no share of perplexity that may be lost`;
    throw new PipelineError('INVALID_ARGUMENT', `maxLoss: ${reason}.`, {
      argument: 'maxLoss',
      reason,
    });
  }
  const all = listCandidates(model);
  const allowed = cheapestOfEachMode(all.filter(({ loss }) => loss <= maxLoss));
  const before = { mode: model.defaultMode, ...model.predictors?.point };
  try {
    await timeInTurns(model, allowed, tokens, signal);
  } catch (error) {
    await adopt(model, before);
    throw error;
  }
  const [fastest] = [...allowed].sort(
    (a, b) => (b.tokensPerSecond as number) - (a.tokensPerSecond as number),
  );
  const chosen = fastest as ModeCandidate;
  await adopt(model, chosen);
  return { ...chosen, candidates: all, maxLoss };
}

/** Gives each candidate the median of its speeds; what else the machine does falls on all alike. */
async function timeInTurns(
  model: Model,
  candidates: readonly ModeCandidate[],
  tokens: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const speeds = new Map<ModeCandidate, number[]>(candidates.map((one) => [one, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [candidate, measured] of speeds) {
      await adopt(model, candidate);
      measured.push(await decodeSpeed(model, candidate.mode, tokens, signal));
    }
  }
  for (const [candidate, measured] of speeds) candidate.tokensPerSecond = median(measured);
}

/** Every mode the model can run in, the lossy ones at each point that was measured. */
function listCandidates({ info, predictors }: Model): ModeCandidate[] {
  return info.modes.flatMap((mode): ModeCandidate[] => {
    if (!isLossy(mode)) return [{ mode, loss: 0, tokensPerSecond: null }];
    if (predictors === null) return [];
    return pointsOf(predictors, mode).flatMap((point) => {
      const loss = namedLoss({ ...predictors, point }, mode);
      return loss
        ? [{ mode, ...point, loss: Math.max(0, loss.change), tokensPerSecond: null }]
        : [];
    });
  });
}

/** Where a set was measured in a mode; no recall and no sparsity: as it was made. */
function pointsOf({ made }: LoadedPredictors, mode: Mode): OperatingPoint[] {
  const measured = (made.measured ?? []).filter((loss) => loss.mode === mode);
  return measured.map(({ recall, sparsity }) => {
    if (sparsity !== undefined) return { sparsity };
    return recall === undefined ? {} : { recall };
  });
}

/** Of one mode, the point that computes least is the fastest: that of the highest loss allowed. */
function cheapestOfEachMode(candidates: readonly ModeCandidate[]): ModeCandidate[] {
  const best = new Map<Mode, ModeCandidate>();
  for (const candidate of candidates) {
    const other = best.get(candidate.mode);
    if (other === undefined || candidate.loss > other.loss) best.set(candidate.mode, candidate);
  }
  return [...best.values()];
}

async function adopt(
  model: Model,
  { mode, recall, sparsity }: OperatingPoint & { mode: Mode },
): Promise<void> {
  if (model.predictors !== null) {
    await model.movePredictors({
      ...(recall !== undefined && { recall }),
      ...(sparsity !== undefined && { sparsity }),
    });
  }
  model.defaultMode = mode;
}

async function decodeSpeed(
  model: Model,
  mode: Mode,
  tokens: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { bos } = model.info;
  const prompt = new Int32Array(Math.min(PROMPT_TOKENS, model.info.context - 1)).fill(bos ?? 0);
  const room = model.info.context - prompt.length;
  const { decode } = await model.generate(prompt, {
    mode,
    maxTokens: Math.max(2, Math.min(tokens, room)),
    ignoreEos: true,
    ...(signal && { signal }),
  }).result;
  requireNotAborted(signal);
  return (1000 * decode.tokens) / decode.timeMs;
}
