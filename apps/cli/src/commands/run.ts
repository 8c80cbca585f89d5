import { type LoadInfo, TIERS } from '@thermocline/contracts';
import {
  type GenerationSummary,
  isLossy,
  type Model,
  type ModelResult,
  summarizeGeneration,
} from '@thermocline/runtime';
import { layerBars } from '../bars.js';
import { closingLine } from '../closing-line.js';
import { EXIT } from '../exit-codes.js';
import { Interrupt } from '../interrupt.js';
import { lossJson } from '../loss-json.js';
import { lossLine } from '../loss-line.js';
import { openModel } from '../open-model.js';
import { generateOptions, type SamplingFlags } from '../sampling.js';
import { readStdin } from '../stdin.js';
import { colors, errorColors, note, printable, printJson } from '../terminal.js';

export interface RunOptions extends SamplingFlags {
  prompt: string;
  json?: boolean;
}

/** `thermocline run`: text after a prompt on stdout, everything else on stderr. */
export async function run(path: string | undefined, options: RunOptions): Promise<void> {
  using interrupt = new Interrupt();
  const prompt = options.prompt === '-' ? await promptFromStdin() : options.prompt;
  await using model = await openModel(path, options, interrupt.signal);

  const generation = model.generate(prompt, {
    ...generateOptions(options),
    signal: interrupt.signal,
  });
  if (!options.json) {
    // The prompt frames the text for a person; a file or a program gets what was generated.
    if (process.stdout.isTTY) process.stdout.write(colors.dim(printable(prompt)));
    for await (const { text } of generation) process.stdout.write(printableOnTerminal(text));
    if (process.stdout.isTTY) process.stdout.write('\n');
  }
  const result = await generation.result;
  const summary = summarizeGeneration(result);
  if (options.json) printJson(runJson(model, options, result, summary));
  else showFigures(model, result, summary);
  if (interrupt.requested) process.exitCode = EXIT.interrupted;
}

/** A line break at the end of a file or of `echo` is not meant as part of the prompt. */
async function promptFromStdin(): Promise<string> {
  return (await readStdin()).replace(/\r?\n$/, '');
}

function printableOnTerminal(text: string): string {
  return process.stdout.isTTY ? printable(text) : text;
}

function showFigures(model: Model, result: ModelResult, summary: GenerationSummary): void {
  const { n_ff } = model.info.model;
  note('');
  const lossy = isLossy(result.mode);
  const ratios = lossy ? summary.layerComputedRatios : summary.layerActiveRatios;
  note(`Share of FFN neurons that ${lossy ? 'were computed' : 'fired'}:`);
  for (const line of layerBars(ratios, n_ff, errorColors.cyan)) note(line);
  if (result.finishReason === 'context') {
    note(
      'note: the context is full. A longer one: --context, as far as the model was made for it.',
    );
  }
  if (result.loss) note(lossLine(result.loss));
  note(errorColors.bold(closingLine(model.info, result, summary)));
}

function runJson(
  { info, predictors }: Model,
  { seed, predictors: path }: RunOptions,
  result: ModelResult,
  summary: GenerationSummary,
) {
  return {
    model: info.name,
    path: info.path,
    mode: result.mode,
    predictors: path === undefined ? null : { path, ...predictors?.point },
    measured_loss: lossJson(result.loss),
    threads: info.threads,
    kernels: info.kernels,
    context: info.context,
    context_source: info.contextSource,
    kv_type: info.kvType,
    seed,
    prompt_tokens: result.promptTokens.length,
    prompt_ids: [...result.promptTokens],
    tokens: result.tokens,
    text: result.text,
    finish_reason: result.finishReason,
    prefill_tps: summary.prefillTps,
    decode_tps: summary.decodeTps,
    first_token_ms: summary.firstTokenMs,
    ms_per_token: summary.msPerToken,
    ffn_active_ratio: summary.ffnActiveRatio,
    ffn_active_ratio_per_layer: summary.layerActiveRatios,
    ffn_computed_ratio: summary.ffnComputedRatio,
    tiers: tiersJson(result, summary),
    load: loadJson(info.load),
    notices: info.notices,
  };
}

function loadJson(load: LoadInfo) {
  return {
    file_bytes: load.fileBytes,
    seconds: load.seconds,
    cached_bytes: load.cachedBytes,
    cache_fallback: load.cacheFallback,
    staging_bytes: load.stagingBytes,
    weight_bytes: load.weightBytes,
    huge_page_bytes: load.hugePageBytes,
  };
}

function tiersJson({ memory }: ModelResult, summary: GenerationSummary) {
  const tiers: Record<string, unknown> = {};
  for (const tier of TIERS) {
    const held = memory.find((entry) => entry.tier === tier);
    tiers[tier] = {
      budget_bytes: held?.budgetBytes ?? null,
      planned_bytes: held?.plannedBytes ?? 0,
      used_bytes: held?.usedBytes ?? 0,
      peak_bytes: held?.peakBytes ?? 0,
      uses: held?.uses ?? {},
      bytes_read_per_token: summary.bytesPerToken[tier],
      ffn_bytes_read_per_token: summary.ffnBytesPerToken[tier],
    };
  }
  return tiers;
}
