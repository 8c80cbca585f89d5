import { basename, extname } from 'node:path';
import {
  type ActivationProfile,
  type LayerActivations,
  type ModelInfo,
  PipelineError,
} from '@thermocline/contracts';
import {
  damaged,
  describeArray,
  inLayerOrder,
  listFiles,
  otherModel,
  type StoredArray,
} from '@thermocline/tensor-files';
import manifest from '../../package.json' with { type: 'json' };
import { readCounts, row, squeeze } from './count-array.js';
import { isRaw, readArray } from './read-arrays.js';
import { readSafetensors } from './read-safetensors.js';
import { layerFiles, readStatistics, sha256 } from './statistics-files.js';

export interface ImportOptions {
  /** The model the counts are of. */
  model: ModelInfo;
  /** Of that model's file. */
  fingerprint: string;
  /**
   * Tokens the counts were made on. Left out: as the files say, else the fewest that are possible,
   * which is the highest count.
   */
  tokens?: number;
  /** Called with what a reader of the profile should know, such as that the tokens were guessed. */
  onNotice?: (notice: string) => void;
}

/**
 * Makes an activation profile of counts that another program wrote: a safetensors file, a NumPy
 * array or raw numbers (`.u32`, `.i32`, `.u64`, `.i64`, little-endian) of [layers][neurons], or a
 * file a layer in `.npy` or, as PowerInfer publishes them, `activation_N.pt`. Layers are ordered
 * by number. Nothing in a `.pt` file is executed.
 *
 * @param paths - one file, several, or a folder of one file a layer
 * @throws PipelineError `ARTIFACT_MODEL_MISMATCH` when layers or neurons are not those of the
 * model, `ARTIFACT_CORRUPT`, `ARTIFACT_FORMAT`, `FILE_NOT_FOUND`, `IO_ERROR`, `INVALID_ARGUMENT`
 *
 * @example
 * const { model, fingerprint } = await inspectModel('llama-7b-relu.gguf');
 * const profile = await importActivations(['activation'], { model, fingerprint });
 */
export async function importActivations(
  paths: readonly string[],
  options: ImportOptions,
): Promise<ActivationProfile> {
  const { model, fingerprint } = options;
  const files = await listFiles(paths, layerFiles);
  const found = await readFiles(files, model);
  const arrays = splitLayers(found.arrays.map(squeeze), model);
  const fires = await readLayers(arrays, model);
  const { tokens, from } = chooseTokens(fires, found.tokens, options);
  const layers = fires.map((counts, layer): LayerActivations => {
    requirePossible(counts, tokens[layer] as number, layer, arrays[layer] as StoredArray);
    return { tokens: tokens[layer] as number, fires: counts };
  });
  return {
    fingerprint,
    model,
    corpora: [],
    madeBy: {
      tool: manifest.name,
      version: manifest.version,
      options: { imported: found.sources, tokens: Math.max(...tokens), tokens_from: from },
    },
    layers,
  };
}

interface Found {
  /** One a layer, or one for all. */
  arrays: StoredArray[];
  tokens?: number | number[];
  sources: { name: string; sha256: string }[];
}

async function readFiles(files: readonly string[], model: ModelInfo): Promise<Found> {
  const sources: Found['sources'] = [];
  const arrays: StoredArray[] = [];
  let tokens: Found['tokens'];
  for (const path of files) {
    const bytes = await readStatistics(path);
    sources.push({ name: basename(path), sha256: sha256(bytes) });
    if (extname(path).toLowerCase() === '.safetensors') {
      if (files.length > 1) {
        throw damaged(path, 'a safetensors file is imported alone', 'Name one file');
      }
      const read = await readSafetensors(path, model.layers);
      arrays.push(...read.arrays);
      tokens = read.tokens;
    } else {
      arrays.push(await readArray(path, bytes));
    }
  }
  return { arrays, sources, ...(tokens !== undefined && { tokens }) };
}

async function readLayers(
  arrays: readonly StoredArray[],
  model: ModelInfo,
): Promise<BigInt64Array[]> {
  const fires: BigInt64Array[] = [];
  for (const [layer, neurons] of model.n_ff.entries()) {
    const array = arrays[layer] as StoredArray;
    const [length = 1, ...more] = array.shape;
    if (length !== neurons || more.length > 0) {
      const found = array.shape.join(' × ') || '1';
      throw otherModel(describeArray(array), `${neurons} neurons in layer ${layer}`, found);
    }
    fires.push(await readCounts(array, layer, neurons));
  }
  return fires;
}

/** One array a layer, in the order of the layers. */
function splitLayers(arrays: readonly StoredArray[], { layers, n_ff }: ModelInfo): StoredArray[] {
  const [only, ...more] = arrays;
  if (only === undefined || more.length > 0) {
    // Tensors of one file are in order already.
    if (only?.tensor !== undefined) return [...arrays];
    return inLayerOrder(
      arrays,
      arrays.map(({ path }) => path),
      layers,
    );
  }
  if (isRaw(only.path)) return splitRaw(only, n_ff);
  if (layers === 1) return [only];
  if (only.shape.length < 2) return inLayerOrder([only], [only.path], layers);
  if (only.shape[0] !== layers) {
    const found = `an array of ${only.shape.join(' × ')}`;
    throw otherModel(describeArray(only), `${layers} layers`, found);
  }
  return Array.from({ length: layers }, (_, layer) => row(only, layer));
}

/** Layers of any widths, one after the other. */
function splitRaw(array: StoredArray, widths: readonly number[]): StoredArray[] {
  const total = widths.reduce((sum, width) => sum + width, 0);
  if ((array.shape[0] ?? 1) !== total) {
    const expected = `${total} neurons in ${widths.length} layers`;
    throw otherModel(array.path, expected, `${array.shape[0] ?? 1} numbers`);
  }
  let offset = 0;
  return widths.map((width) => {
    const layer = { ...array, shape: [width], strides: [1], offset };
    offset += width;
    return layer;
  });
}

function chooseTokens(
  fires: readonly BigInt64Array[],
  said: Found['tokens'],
  { tokens: given, onNotice }: ImportOptions,
): { tokens: number[]; from: string } {
  const everywhere = (tokens: number) => fires.map(() => tokens);
  if (given !== undefined) {
    if (!Number.isSafeInteger(given) || given < 1) {
      throw invalid('tokens', `must be a whole number from 1 up, not ${String(given)}`);
    }
    const other = said === undefined ? undefined : [said].flat().find((tokens) => tokens !== given);
    if (other === undefined) return { tokens: everywhere(given), from: 'option' };
    throw invalid('tokens', `is ${given}, but the file says ${other}. Leave one of them out`);
  }
  if (said !== undefined) {
    return { tokens: typeof said === 'number' ? everywhere(said) : said, from: 'file' };
  }
  let highest = 0n;
  for (const counts of fires) for (const count of counts) if (count > highest) highest = count;
  if (highest === 0n) {
    throw invalid('paths', 'hold counts of 0 only: no neuron ever fired. Name the right files');
  }
  onNotice?.(
    `The files do not say how many tokens were read. Taken: ${highest}, the highest count, so that firing rates are upper bounds. Say --tokens N if you know.`,
  );
  return { tokens: everywhere(Number(highest)), from: 'highest count' };
}

function requirePossible(
  counts: BigInt64Array,
  tokens: number,
  layer: number,
  array: StoredArray,
): void {
  const limit = BigInt(tokens);
  const neuron = counts.findIndex((count) => count > limit);
  if (neuron < 0) return;
  const reason = `layer ${layer}, neuron ${neuron} fired ${counts[neuron]} times in ${tokens} tokens`;
  throw damaged(describeArray(array), reason, 'Give the right number of tokens');
}

function invalid(argument: string, reason: string): PipelineError<'INVALID_ARGUMENT'> {
  return new PipelineError('INVALID_ARGUMENT', `${argument} ${reason}.`, { argument, reason });
}
