import {
  isPipelineError,
  type Mode,
  type PredictionAudit,
  type StepStats,
} from '@thermocline/contracts';
import { evaluateChunks } from './evaluate-chunks.js';
import { isLossy } from './is-lossy.js';
import { resolveMode } from './mode.js';
import type { Model } from './model.js';
import { addAudit, noAudit, requireAudit } from './prediction-audit.js';
import { findPeak } from './score-logits.js';
import { readScoredText, type ScoredTextOptions } from './scored-text.js';
import { addStats, noStats } from './step-stats.js';

export interface PerplexityOptions extends ScoredTextOptions {
  mode?: Mode;
  /** Holds what a mode computes against what fires; default: in lossy modes. Takes time. */
  audit?: boolean;
  /** Called with tokens scored so far and in all. */
  onProgress?: (done: number, total: number) => void;
  /** Ends the evaluation; what was scored until then is the result, if there is anything. */
  signal?: AbortSignal;
}

/** How well a model foresees a text. */
export interface Perplexity {
  /** e^nll */
  perplexity: number;
  /** Mean over the scored tokens, nats. */
  nll: number;
  /** Tokens scored. */
  tokens: number;
  mode: Mode;
  context: number;
  /** Whether the signal ended it early. */
  aborted: boolean;
  /** Sums over all windows. */
  stats: StepStats;
  /** How what was computed compares with what fired. */
  audit?: PredictionAudit;
}

/**
 * Measures perplexity on a text or on token ids. The ids are read in windows of `context` that
 * do not overlap, each from an empty context; every id but the very first is scored, the first of
 * a window by the last of the window before. A text is cut into documents (see `splitDocuments`);
 * each begins with BOS where the model file asks for it, then they are joined. Ids are taken as
 * they are. What a lossy mode loses is told by `evaluateModes`.
 *
 * @throws PipelineError `INVALID_ARGUMENT` when fewer than two ids are left, `CONTEXT_OVERFLOW`
 * when `context` is more than the model's, `MODE_UNSUPPORTED`, `ABORTED`
 *
 * @example
 * const { perplexity } = await evaluatePerplexity(model, await readFile('stories.txt', 'utf8'));
 */
export async function evaluatePerplexity(
  model: Model,
  source: string | Int32Array,
  options: PerplexityOptions = {},
): Promise<Perplexity> {
  const mode = resolveMode(model.info, options.mode);
  const text = await readScoredText(model, source, options);
  const { layers, vocab } = model.info.model;

  return model.withSession(async (session) => {
    const { audit: wanted = isLossy(mode) } = options;
    const audit = wanted ? noAudit(layers) : null;
    const lanes = [{ session, mode, audit: audit !== null }];
    const sums = { nll: 0, tokens: 0, stats: noStats(layers) };
    let aborted = false;
    try {
      for await (const { start, end, evaluations } of evaluateChunks(lanes, text, {
        vocab,
        ...(options.signal && { signal: options.signal }),
      })) {
        const [evaluation] = evaluations;
        if (evaluation === undefined) break;
        for (const [row, logits] of evaluation.logits.entries()) {
          sums.nll +=
            findPeak(logits).logSum - (logits[text.ids[start + row + 1] as number] as number);
        }
        sums.tokens = end;
        addStats(sums.stats, evaluation.stats);
        if (audit) addAudit(audit, requireAudit(evaluation.audit, mode));
        options.onProgress?.(end, text.total);
      }
    } catch (error) {
      if (!isPipelineError(error, 'ABORTED') || sums.tokens === 0) throw error;
      aborted = true;
    }
    const nll = sums.nll / sums.tokens;
    const { tokens, stats } = sums;
    const { context } = text;
    const result = { perplexity: Math.exp(nll), nll, tokens, mode, context, aborted, stats };
    return audit ? { ...result, audit } : result;
  });
}
