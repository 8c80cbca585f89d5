import { type Mode, PipelineError } from '@thermocline/contracts';
import type { Model } from './model.js';
import { median } from './statistics.js';
import { namedLoss, type OperatingPoint } from './use-predictors.js';

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
  const speeds = new Map<ModeCandidate, number[]>(allowed.map((candidate) => [candidate, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [candidate, measured] of speeds) {
      await adopt(model, candidate);
      measured.push(await decodeSpeed(model, candidate.mode, tokens, signal));
    }
  }
  for (const [candidate, measured] of speeds) candidate.tokensPerSecond = median(measured);
  const [fastest] = [...allowed].sort(
    (a, b) => (b.tokensPerSecond as number) - (a.tokensPerSecond as number),
  );
  const chosen = fastest as ModeCandidate;
  await adopt(model, chosen);
  return { ...chosen, candidates: all };
}

/** Every mode the model can run in, the lossy ones at each point that was measured. */
function listCandidates({ info, predictors }: Model): ModeCandidate[] {
  return info.modes.flatMap((mode): ModeCandidate[] => {
    if (mode === 'dense' || mode === 'exact') return [{ mode, loss: 0, tokensPerSecond: null }];
    const measured = (predictors?.made.measured ?? []).filter((loss) => loss.mode === mode);
    return measured.flatMap(({ recall, sparsity }) => {
      const point = {
        ...(sparsity === undefined && recall !== undefined && { recall }),
        ...(sparsity !== undefined && { sparsity }),
      };
      const loss = predictors && namedLoss({ ...predictors, point }, mode);
      return loss
        ? [{ mode, ...point, loss: Math.max(0, loss.change), tokensPerSecond: null }]
        : [];
    });
  });
}

/** Of one mode, the point that computes least is the fastest: that of the highest loss allowed. */
function cheapestOfEachMode(candidates: readonly ModeCandidate[]): ModeCandidate[] {
  const computesLess = (a: ModeCandidate, b: ModeCandidate) =>
    (a.sparsity ?? -(a.recall ?? 0)) > (b.sparsity ?? -(b.recall ?? 0));
  const best = new Map<Mode, ModeCandidate>();
  for (const candidate of candidates) {
    const other = best.get(candidate.mode);
    if (other === undefined || computesLess(candidate, other)) best.set(candidate.mode, candidate);
  }
  return [...best.values()];
}

async function adopt(model: Model, { mode, recall, sparsity }: ModeCandidate): Promise<void> {
  if (recall !== undefined) await model.movePredictors({ recall });
  if (sparsity !== undefined) await model.movePredictors({ sparsity });
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
  signal?.throwIfAborted();
  return (1000 * decode.tokens) / decode.timeMs;
}
