import { topLogits } from '@thermocline/runtime';
import { bar } from '../bars.js';
import { Interrupt } from '../interrupt.js';
import { lossJson } from '../loss-json.js';
import { lossLine } from '../loss-line.js';
import { askedMode, type ModelOptions, openModel } from '../open-model.js';
import { colors, note, oneLine, print, printJson } from '../terminal.js';
import { UsageError } from '../usage-error.js';

export interface LogitsOptions extends ModelOptions {
  prompt?: string;
  tokens?: Int32Array;
  top: number;
  json?: boolean;
}

/** `thermocline logits`: the most likely next tokens. */
export async function logits(path: string | undefined, options: LogitsOptions): Promise<void> {
  const { prompt, tokens, top } = options;
  if ((prompt === undefined) === (tokens === undefined)) {
    throw new UsageError('Give either --prompt TEXT or --tokens 1,2,3.');
  }
  using interrupt = new Interrupt();
  await using model = await openModel(path, options, interrupt.signal);
  const result = await topLogits(model, prompt ?? (tokens as Int32Array), {
    top,
    signal: interrupt.signal,
    ...askedMode(options),
  });
  if (options.json) {
    printJson({
      model: model.info.name,
      mode: result.mode,
      measured_loss: lossJson(result.loss),
      context: model.info.context,
      context_source: model.info.contextSource,
      tokens: result.tokens,
      top: result.top,
    });
    return;
  }
  if (result.loss) note(lossLine(result.loss));
  note(`after the ${result.tokens.length} tokens ${result.tokens.join(' ')}`);
  const [highest, lowest] = [result.top[0]?.logit ?? 0, result.top.at(-1)?.logit ?? 0];
  const span = highest - lowest || 1;
  for (const { id, text, logit } of result.top) {
    // The length shows distance from the last one listed; a logit by itself has no zero.
    const length = colors.cyan(bar(0.05 + (0.95 * (logit - lowest)) / span, 24));
    print(`${String(id).padStart(8)}  ${logit.toFixed(4).padStart(10)}  ${length}  ${quote(text)}`);
  }
}

function quote(text: string): string {
  return JSON.stringify(oneLine(text));
}
