import type {
  GeneratedChunk,
  GenerateOptions,
  GenerateResult,
  Generation,
  Mode,
} from '@thermocline/contracts';
import { native, type RawGenerateOptions, type SessionHandle } from './binding.js';
import {
  checkBoolean,
  checkInteger,
  checkMode,
  checkNumber,
  checkOptions,
  checkSignal,
  checkString,
  checkTokens,
  invalidArgument,
} from './check-arguments.js';
import { ChunkReader } from './chunk-reader.js';
import { endWith } from './native-call.js';
import { toPipelineError } from './native-error.js';

/** Hands a generation to the engine and its chunks to whoever iterates. */
export function startGeneration(
  session: SessionHandle,
  defaultMode: Mode,
  prompt: ArrayLike<number>,
  options: GenerateOptions,
): Generation {
  const stop = new AbortController();
  const reader = new ChunkReader<GeneratedChunk>(() => stop.abort());
  const result = run(session, defaultMode, prompt, options, stop.signal, reader).then(
    (generated) => {
      reader.end();
      return generated;
    },
    (error: unknown) => {
      reader.fail(error);
      throw error;
    },
  );
  // Whoever only iterates gets the error from the loop; it must not count as unhandled here.
  result.catch(() => {});
  return { result, [Symbol.asyncIterator]: () => reader };
}

async function run(
  session: SessionHandle,
  defaultMode: Mode,
  prompt: ArrayLike<number>,
  options: GenerateOptions,
  left: AbortSignal,
  reader: ChunkReader<GeneratedChunk>,
): Promise<GenerateResult> {
  const tokens = checkTokens(prompt, 'prompt');
  const { raw, signal } = checkGenerateOptions(options, defaultMode);
  const either = signal === undefined ? left : AbortSignal.any([signal, left]);
  try {
    const aborted = either.aborted;
    const { id, promise } = native().generate(session, tokens, { ...raw, aborted }, (ids, text) => {
      reader.push({ tokens: Array.from(ids), text });
    });
    const generated = await endWith(either, id, promise);
    return { ...generated, tokens: Array.from(generated.tokens) };
  } catch (error) {
    throw toPipelineError(error, { argument: 'prompt', what: 'session' });
  }
}

function checkGenerateOptions(options: GenerateOptions, defaultMode: Mode) {
  checkOptions(options);
  const { temperature = 0, topK = 0, topP = 1, minP = 0 } = options;
  const { repeatPenalty = 1, repeatWindow = 64, seed = 0 } = options;
  const { maxTokens, mode = defaultMode, stop = [], ignoreEos = false } = options;
  if (!Array.isArray(stop)) throw invalidArgument('stop', 'must be an array of texts');
  const raw: Omit<RawGenerateOptions, 'aborted'> = {
    temperature: checkNumber(temperature, 'temperature'),
    topK: checkInteger(topK, 'topK', 0),
    topP: checkNumber(topP, 'topP'),
    minP: checkNumber(minP, 'minP'),
    repeatPenalty: checkNumber(repeatPenalty, 'repeatPenalty'),
    repeatWindow: checkInteger(repeatWindow, 'repeatWindow', 0),
    seed: checkInteger(seed, 'seed', 0),
    maxTokens: maxTokens === undefined ? -1 : checkInteger(maxTokens, 'maxTokens', 0),
    mode: checkMode(mode),
    stop: stop.map((text, i) => checkString(text, `stop[${i}]`)),
    ignoreEos: checkBoolean(ignoreEos, 'ignoreEos'),
  };
  return { raw, signal: checkSignal(options.signal) };
}
