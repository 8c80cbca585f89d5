import { TIERS } from '@thermocline/contracts';
import {
  activeRatio,
  activeRatioPerLayer,
  evaluatePerplexity,
  type Model,
  type Perplexity,
  readCorpus,
} from '@thermocline/runtime';
import { layerBars } from '../bars.js';
import { EXIT } from '../exit-codes.js';
import { formatCount, formatRate, formatShare } from '../format.js';
import { Interrupt } from '../interrupt.js';
import { type ModelOptions, openModel } from '../open-model.js';
import { callerPath } from '../paths.js';
import { startProgress } from '../progress.js';
import { errorColors, note, print, printJson } from '../terminal.js';

export interface EvalOptions extends ModelOptions {
  text: string;
  tokens?: number;
  json?: boolean;
}

/** `thermocline eval`: perplexity on a text or on token ids. */
export async function evaluate(path: string | undefined, options: EvalOptions): Promise<void> {
  using interrupt = new Interrupt();
  const { context, tokens, mode, ...modelOptions } = options;
  const source = await readCorpus(callerPath(options.text));
  // `--context` is the length of the windows here; the model keeps the context it was made for.
  await using model = await openModel(path, modelOptions, interrupt.signal);
  const result = await measure(model, source, {
    signal: interrupt.signal,
    ...(tokens !== undefined && { tokens }),
    ...(context !== undefined && { context }),
    ...(mode !== undefined && { mode }),
  });
  if (options.json) printJson(evalJson(model, result));
  else show(model, result);
  if (result.aborted) process.exitCode = EXIT.interrupted;
}

async function measure(
  model: Model,
  source: string | Int32Array,
  options: NonNullable<Parameters<typeof evaluatePerplexity>[2]>,
): Promise<Perplexity> {
  using progress = await startProgress('Reading');
  return await evaluatePerplexity(model, source, {
    ...options,
    onProgress: (done, total) => progress.update(done, total),
  });
}

function show({ info }: Model, result: Perplexity): void {
  if (result.aborted) note('note: stopped early; this is the text until there.');
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

function evalJson({ info }: Model, result: Perplexity) {
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
