import { isPipelineError, type Mode, modelParameters } from '@thermocline/contracts';
import { evaluateChunks, type Lane } from './evaluate-chunks.js';
import { isLossy } from './is-lossy.js';
import { type DecodeSpeed, measureDecode } from './measure-decode.js';
import { resolveMode } from './mode.js';
import { compareWithDense, type ModeEvaluation, type ModeScore, toScore } from './mode-figures.js';
import { type ModeTally, newTally, scoreChunk } from './mode-tally.js';
import type { Model } from './model.js';
import { readScoredText, type ScoredText, type ScoredTextOptions } from './scored-text.js';

export interface EvaluateModesOptions extends ScoredTextOptions {
  /** Which modes to set beside `dense`; default: all that the model can run in now. */
  modes?: readonly Mode[];
  /** Tokens each mode decodes in a round, to be timed; 0: no speeds. Default 32. */
  decodeTokens?: number;
  /** Called with tokens scored so far and in all. */
  onProgress?: (done: number, total: number) => void;
  /** Ends the evaluation; what was scored until then is the result, if there is anything. */
  signal?: AbortSignal;
}

/** Several ways of computing one model on one text. */
export interface ModeComparison {
  /** Tokens scored. */
  tokens: number;
  context: number;
  /** Whether the signal ended it early. */
  aborted: boolean;
  /** Parameters of the model, without predictors. */
  parameters: number;
  dense: ModeScore;
  /** In the order asked for. */
  modes: ModeEvaluation[];
}

/**
 * Measures what modes lose against `dense`, and why: all read the same windows side by side (see
 * `evaluatePerplexity` for how they are cut), so that every token is compared with itself. Lossy
 * modes are audited on the way: what they predicted is held against what truly fires. Speeds are
 * measured afterwards, in turns and without the audit, decoding token by token.
 *
 * @throws PipelineError those of `evaluatePerplexity`
 *
 * @example
 * await using model = await loadModel('model.gguf', { predictors: 'model.predictors' });
 * const { dense, modes } = await evaluateModes(model, text, { tokens: 10_000 });
 * for (const { mode, perplexityChange } of modes) console.log(mode, perplexityChange);
 */
export async function evaluateModes(
  model: Model,
  source: string | Int32Array,
  options: EvaluateModesOptions = {},
): Promise<ModeComparison> {
  const { info } = model;
  const asked = (options.modes ?? info.modes).map((mode) => resolveMode(info, mode));
  const modes: Mode[] = [...new Set<Mode>(['dense', ...asked])];
  const text = await readScoredText(model, source, options);
  const tallies = modes.map((mode) => newTally(mode, info.model.layers));
  const progress = await readTogether(model, tallies, text, options);
  const speeds = await measureSpeeds(model, modes, text, options, progress.aborted);
  const costs = { set: model.predictors?.set ?? null, parameters: modelParameters(info.model) };
  const scores = tallies.map((tally) => toScore(tally, speeds.get(tally.mode) ?? null));
  const [dense, ...others] = scores as [ModeScore, ...ModeScore[]];
  return {
    tokens: progress.tokens,
    context: text.context,
    aborted: options.signal?.aborted ?? false,
    parameters: costs.parameters,
    dense,
    modes: others.map((score, i) =>
      compareWithDense(score, dense, tallies[i + 1] as ModeTally, costs),
    ),
  };
}

/** Reads the text in all modes at once and scores it. */
function readTogether(
  model: Model,
  tallies: readonly ModeTally[],
  text: ScoredText,
  { signal, onProgress }: EvaluateModesOptions,
): Promise<{ tokens: number; aborted: boolean }> {
  const { vocab } = model.info.model;
  return withLanes(model, tallies, text.context, async (lanes) => {
    let tokens = 0;
    try {
      for await (const chunk of evaluateChunks(lanes, text, { vocab, ...(signal && { signal }) })) {
        scoreChunk(tallies, chunk, text.ids);
        tokens = chunk.end;
        onProgress?.(tokens, text.total);
      }
    } catch (error) {
      if (!isPipelineError(error, 'ABORTED') || tokens === 0) throw error;
      return { tokens, aborted: true };
    }
    return { tokens, aborted: false };
  });
}

/** Gives each mode a timeline of its own, no longer than a window. */
async function withLanes<T>(
  { engine }: Model,
  tallies: readonly ModeTally[],
  context: number,
  body: (lanes: Lane[]) => Promise<T>,
): Promise<T> {
  const lanes: Lane[] = [];
  try {
    for (const { mode } of tallies) {
      const session = await engine.createSession({ context });
      lanes.push({ session, mode, audit: isLossy(mode) });
    }
    return await body(lanes);
  } finally {
    await Promise.all(lanes.map(({ session }) => session.close()));
  }
}

async function measureSpeeds(
  model: Model,
  modes: readonly Mode[],
  { ids }: ScoredText,
  { decodeTokens, signal }: EvaluateModesOptions,
  aborted: boolean,
): Promise<Map<Mode, DecodeSpeed>> {
  if (aborted || decodeTokens === 0) return new Map();
  return measureDecode(model, modes, ids, {
    ...(decodeTokens !== undefined && { decodeTokens }),
    ...(signal && { signal }),
  });
}
