import type { Mode } from '@thermocline/contracts';
import { isLossy, type Model, readCorpus } from '@thermocline/runtime';
import { compareModes } from '../evaluation/compare-modes.js';
import { measurePerplexity } from '../evaluation/measure-perplexity.js';
import type { Passage } from '../evaluation/passage.js';
import { EXIT } from '../exit-codes.js';
import { Interrupt } from '../interrupt.js';
import { askedMode, type ModelOptions, openModel } from '../open-model.js';
import { callerPath } from '../paths.js';
import { requirePictureFiles } from '../picture-files.js';
import { note } from '../terminal.js';
import { UsageError } from '../usage-error.js';

export interface EvalOptions extends ModelOptions {
  text: string;
  tokens?: number;
  compare?: boolean;
  layers?: boolean;
  html?: string;
  svg?: string;
  json?: boolean;
}

/** `thermocline eval`: perplexity on a text or on token ids, and what modes lose against `dense`. */
export async function evaluate(path: string | undefined, options: EvalOptions): Promise<void> {
  using interrupt = new Interrupt();
  const { context, tokens, ...modelOptions } = options;
  const textPath = callerPath(options.text);
  await requirePictureFiles([textPath], options);
  const source = await readCorpus(textPath);
  // `--context` is the length of the windows here; the model keeps the context it was made for.
  await using model = await openModel(path, modelOptions, interrupt.signal);
  const passage: Passage = {
    path: textPath,
    source,
    signal: interrupt.signal,
    ...(tokens !== undefined && { tokens }),
    ...(context !== undefined && { context }),
  };
  const mode = askedMode(options).mode ?? model.info.defaultMode;
  const modes = comparedModes(model, mode, options);
  const aborted =
    modes === null
      ? await measurePerplexity(model, passage, mode, options)
      : await compareModes(model, passage, { ...options, mode, modes });
  if (!aborted) return;
  note('note: stopped early; this is the text until there.');
  process.exitCode = EXIT.interrupted;
}

/**
 * The modes to set beside `dense`, or `null` where the perplexity of one mode is all that is
 * wanted. What a lossy mode costs is always named, so it is never measured alone.
 */
function comparedModes({ info }: Model, mode: Mode, options: EvalOptions): Mode[] | null {
  if (options.compare) return info.modes;
  const detailed = options.layers || options.html !== undefined || options.svg !== undefined;
  if (mode === 'dense' && detailed) {
    throw new UsageError(
      '--layers, --html and --svg show a mode beside dense: name another one with --mode, or --compare them all.',
    );
  }
  return detailed || isLossy(mode) ? [mode] : null;
}
