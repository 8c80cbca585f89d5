import { type Mode, TIERS } from '@thermocline/contracts';
import {
  activeRatio,
  activeRatioPerLayer,
  evaluatePerplexity,
  type Model,
  type Perplexity,
} from '@thermocline/runtime';
import { layerBars } from '../bars.js';
import { formatCount, formatRate, formatShare } from '../format.js';
import { startProgress } from '../progress.js';
import { errorColors, note, print, printJson } from '../terminal.js';
import { type Passage, scoredText } from './passage.js';

/** The perplexity of one mode that loses nothing. Returns whether it was stopped. */
export async function measurePerplexity(
  model: Model,
  passage: Passage,
  mode: Mode,
  { json }: { json?: boolean },
): Promise<boolean> {
  const result = await measure(model, passage, mode);
  if (json) printJson(perplexityJson(model, result));
  else show(model, result);
  return result.aborted;
}

async function measure(model: Model, passage: Passage, mode: Mode): Promise<Perplexity> {
  using progress = await startProgress('Reading');
  return await evaluatePerplexity(model, passage.source, {
    ...scoredText(passage),
    mode,
    onProgress: (done, total) => progress.update(done, total),
  });
}

function show({ info }: Model, result: Perplexity): void {
  const { stats } = result;
  print(`perplexity ${result.perplexity.toFixed(4)}`);
  note(
    errorColors.dim(
      `${formatCount(result.tokens)} tokens · ${result.nll.toFixed(5)} nats a token · ` +
        `windows of ${result.context} · mode ${result.mode} · ` +
        `${formatRate((stats.tokens / stats.timeMs) * 1000, 'tokens/s')} · ` +
        `${formatShare(activeRatio(stats))} of neurons fired`,
    ),
  );
  for (const line of layerBars(activeRatioPerLayer(stats), info.model.n_ff, errorColors.cyan)) {
    note(line);
  }
}

function perplexityJson({ info }: Model, result: Perplexity) {
  const { stats } = result;
  return {
    model: info.name,
    perplexity: result.perplexity,
    nll: result.nll,
    tokens: result.tokens,
    mode: result.mode,
    context: result.context,
    aborted: result.aborted,
    tps: (stats.tokens / stats.timeMs) * 1000,
    ffn_active_ratio: activeRatio(stats),
    ffn_active_ratio_per_layer: activeRatioPerLayer(stats),
    bytes_read: Object.fromEntries(TIERS.map((tier) => [tier, stats.bytesRead[tier]])),
  };
}
