import {
  BLOCK_COLUMNS,
  invalidOption,
  type LayerPredictor,
  type ModelInfo,
  PipelineError,
  PREDICTOR_TYPES,
  type PredictorMatrix,
  type PredictorSet,
  type PredictorType,
} from '@thermocline/contracts';
import { damaged, otherModel } from '@thermocline/tensor-files';
import manifest from '../../package.json' with { type: 'json' };
import { bitsOf } from '../half-floats.js';
import { absorbNorm, checkNorms, type FfnNorm, whatIsLost } from './absorb-norm.js';
import { encodeMatrix, isBlockType, largestOf } from './encode-matrix.js';
import { findPredictors, type LayerSource } from './predictor-files.js';
import { type SourceMatrix, toFloats } from './source-matrix.js';

export interface ImportPredictorsOptions {
  /** The model the predictors are for. */
  model: ModelInfo;
  /** Of that model's file. */
  fingerprint: string;
  /**
   * What the predictors read. `residual` (default): the hidden state before the norm of the FFN, as
   * PowerInfer's do. `ffn-input`: the state after it, as this project's do.
   */
  reads?: 'residual' | 'ffn-input';
  /** The norms before the FFNs, needed for `residual`. [layers] */
  norms?: readonly FfnNorm[];
  /** A neuron is predicted where its score is this or above. Default: as the files say, else 0. */
  threshold?: number;
  /**
   * Type of the matrices. Left out, the second keeps the very bits of the file, and the first too
   * unless a norm was absorbed: then it is F32, so that no decision changes.
   */
  type?: PredictorType;
  /** Import also what cannot decide exactly as the original does. */
  approximate?: boolean;
  /** Called with what a reader of the set should know. */
  onNotice?: (notice: string) => void;
  /** Called with layers done and in all. */
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
}

/**
 * Makes a predictor set of what PowerInfer publishes: a folder or a list of `model_N.pt`, state
 * dictionaries with `fc1.weight` and `fc2.weight`, or GGUF files, also those that begin with `PWRI`,
 * with `blk.N.fc1.weight` and `blk.N.fc2.weight`. Layers are ordered by number, nothing in a `.pt`
 * file is executed, and what the set predicts is what the original predicts, or the import is
 * refused (see `approximate`).
 *
 * @throws PipelineError `ARTIFACT_MODEL_MISMATCH` when layers or sizes are not those of the model,
 * `ARTIFACT_CORRUPT`, `ARTIFACT_FORMAT`, `FILE_NOT_FOUND`, `IO_ERROR`, `ABORTED`,
 * `INVALID_ARGUMENT`, also for what would be approximate
 *
 * @example
 * const set = await importPredictors(['ReluLLaMA-7B-Predictor'], { model, fingerprint, norms });
 * await writePredictorSet('relu-llama-7b.predictors.safetensors', set);
 */
export async function importPredictors(
  paths: readonly string[],
  options: ImportPredictorsOptions,
): Promise<PredictorSet> {
  const { model, fingerprint, reads = 'residual', type, approximate = false } = options;
  const norms = reads === 'residual' ? checkNorms(options.norms, model) : null;
  if (type !== undefined && !PREDICTOR_TYPES.includes(type)) {
    throw invalidOption('type', `is none of ${PREDICTOR_TYPES.join(', ')}`);
  }
  const source = await findPredictors(paths, model);
  const threshold = chooseThreshold(source.threshold, options);
  const lost = new Set(norms?.flatMap(whatIsLost));
  if (norms !== null && threshold !== 0) lost.add(movedThreshold(threshold));
  requireExact(lost, approximate);
  const layers: LayerPredictor[] = [];
  for await (const layer of source.layers()) {
    requireNotAborted(options.signal);
    const norm = norms?.[layers.length] ?? null;
    layers.push(toPredictor(layer, layers.length, norm, threshold, options));
    options.onProgress?.(layers.length, model.layers);
  }
  for (const reason of lost) options.onNotice?.(`Not as the original: ${reason}.`);
  const { sources } = source;
  return {
    fingerprint,
    model,
    corpora: [],
    madeBy: {
      tool: manifest.name,
      version: manifest.version,
      options: { imported: sources, reads, threshold, exact: lost.size === 0 },
    },
    layers,
  };
}

function movedThreshold(threshold: number): string {
  return `scores are compared with ${threshold}, and those of a state after the norm differ from the original's by a factor that is another for each token, which changes nothing only where the threshold is 0`;
}

function chooseThreshold(stated: number | undefined, options: ImportPredictorsOptions): number {
  const threshold = options.threshold ?? stated ?? 0;
  if (Number.isFinite(Math.fround(threshold))) return Math.fround(threshold);
  throw invalidOption('threshold', `must be a finite number, not ${String(threshold)}`);
}

function requireExact(lost: ReadonlySet<string>, approximate: boolean): void {
  const [reason] = lost;
  if (reason === undefined || approximate) return;
  const message = `These predictors would not decide as the original does: ${reason}. Import them as an approximation (--approximate) and measure what they do with eval.`;
  throw new PipelineError('INVALID_ARGUMENT', message, { argument: 'approximate', reason });
}

function toPredictor(
  { fc1, fc2 }: LayerSource,
  layer: number,
  norm: FfnNorm | null,
  threshold: number,
  options: ImportPredictorsOptions,
): LayerPredictor {
  const { model, type } = options;
  requireShapes(fc1, fc2, layer, model);
  const rank = fc1.matrix.rows;
  // Zero rows of down and zero columns of up add nothing.
  const padded =
    type !== undefined && isBlockType(type)
      ? BLOCK_COLUMNS * Math.ceil(rank / BLOCK_COLUMNS)
      : rank;
  let down = fc1;
  if (norm?.weight.some((value) => value !== 1)) {
    const values = finiteFloats(fc1);
    absorbNorm(values, norm);
    const matrix = { type: 'F32' as const, rows: rank, columns: model.d_model, values };
    down = { where: `${fc1.where} over the norm's weights`, matrix };
  }
  const downType = type && isBlockType(type) && model.d_model % BLOCK_COLUMNS !== 0 ? 'F16' : type;
  return {
    kind: 'trained',
    reads: 'same-layer',
    down: convert(down, downType, padded),
    up: convert(fc2, type, undefined, padded),
    // PowerInfer predicts from the threshold up, this project above it.
    threshold: Float32Array.of(nextBelow(threshold)),
  };
}

function requireShapes(
  fc1: SourceMatrix,
  fc2: SourceMatrix,
  layer: number,
  model: ModelInfo,
): void {
  const neurons = model.n_ff[layer] as number;
  const say = ({ rows, columns }: { rows: number; columns: number }) => `[${rows} × ${columns}]`;
  if (fc1.matrix.columns !== model.d_model) {
    const expected = `a hidden state of ${model.d_model} values in layer ${layer}`;
    throw otherModel(fc1.where, expected, say(fc1.matrix));
  }
  if (fc2.matrix.rows !== neurons) {
    throw otherModel(fc2.where, `${neurons} neurons in layer ${layer}`, say(fc2.matrix));
  }
  if (fc1.matrix.rows !== fc2.matrix.columns) {
    const reason = `layer ${layer}: fc1 is ${say(fc1.matrix)}, fc2 ${say(fc2.matrix)}`;
    throw damaged(fc2.where, `${reason}; their ranks differ`);
  }
}

/** The same matrix in another type, with zeros added up to some rows and columns. */
function convert(
  source: SourceMatrix,
  type: PredictorType | undefined,
  rows = source.matrix.rows,
  columns = source.matrix.columns,
): PredictorMatrix {
  const { matrix, where } = source;
  const grown = rows !== matrix.rows || columns !== matrix.columns;
  const values = finiteFloats(source);
  if ((type === undefined || type === matrix.type) && !grown) return matrix;
  const chosen = type ?? matrix.type;
  const limit = largestOf(chosen);
  const outside = limit === null ? -1 : firstAbove(values, limit);
  if (outside >= 0) {
    throw damaged(
      where,
      `${values[outside]} is too large for ${chosen}`,
      'Import it as F32 or BF16',
    );
  }
  if (!grown) return encodeMatrix(values, rows, columns, chosen);
  const larger = new Float32Array(rows * columns);
  for (let row = 0; row < matrix.rows; row++) {
    larger.set(values.subarray(row * matrix.columns, (row + 1) * matrix.columns), row * columns);
  }
  return encodeMatrix(larger, rows, columns, chosen);
}

function finiteFloats({ matrix, where }: SourceMatrix): Float32Array {
  const values = toFloats(matrix);
  const bad = firstAbove(values, Number.MAX_VALUE);
  if (bad < 0) return values;
  const [row, column] = [Math.floor(bad / matrix.columns), bad % matrix.columns];
  throw damaged(where, `the weight in row ${row}, column ${column} is ${values[bad]}`);
}

/** Where the first value is whose magnitude is no number up to a limit, or −1. */
function firstAbove(values: Float32Array, limit: number): number {
  for (let i = 0; i < values.length; i++) {
    if (!(Math.abs(values[i] as number) <= limit)) return i;
  }
  return -1;
}

/** The largest F32 below one: above it is from the value up. */
export function nextBelow(value: number): number {
  const next = Float32Array.of(value);
  const bits = bitsOf(next);
  // Both zeros are followed by the smallest negative number.
  if (value === 0) bits[0] = 0x8000_0001;
  else bits[0] = (bits[0] as number) + (value > 0 ? -1 : 1);
  return next[0] as number;
}

function requireNotAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  const reason = 'the import was aborted';
  throw new PipelineError('ABORTED', `${reason}.`, { reason });
}
