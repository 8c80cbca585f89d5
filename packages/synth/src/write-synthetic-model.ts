import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  type AppendBytes,
  fileError,
  invalidOption,
  PipelineError,
  writeFileAtomically,
} from '@thermocline/contracts';
import { encodeGgufHeader, padding, tensorBytes } from './gguf-header.js';
import { modelMetadata } from './model-metadata.js';
import { ModelPlan } from './model-plan.js';
import {
  modelTensors,
  SYNTHETIC_LAYOUTS,
  type SyntheticLayout,
  type SyntheticTensor,
} from './model-tensors.js';
import { type PlantOptions, type Recipe, resolveRecipe } from './recipe.js';
import { SYNTHETIC_TYPES, type SyntheticType } from './weight-types.js';
import { WriteAhead } from './write-ahead.js';

/** What is planted, and how it is written down. */
export interface SyntheticModelOptions extends PlantOptions {
  /** Of all matrices; `Q4_0`. One seed holds the same numbers in every type. */
  type?: SyntheticType;
  /** `usual`, which other programs read too, or `packed`: the down matrix with a row per neuron. */
  layout?: SyntheticLayout;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  signal?: AbortSignal;
}

/** A file, as it will be. */
export interface PlannedModel {
  recipe: Recipe;
  type: SyntheticType;
  layout: SyntheticLayout;
  bytes: number;
  parameters: number;
}

/** What was written. */
export interface WrittenModel extends PlannedModel {
  path: string;
}

/**
 * Writes a model of a known shape whose weights are noise in which firing rates are planted. The
 * file says that it is synthetic. Same options, same bytes. It is complete or not there.
 *
 * @param shape - one of `SHAPES`
 * @throws PipelineError `INVALID_ARGUMENT`; `FILE_NOT_FOUND` when the folder is missing; `IO_ERROR`
 * also when the drive has not enough room; `ABORTED`
 *
 * @example
 * await writeSyntheticModel('bamboo.gguf', 'bamboo-7b', { type: 'Q4_0', sparsity: 0.9 });
 */
export async function writeSyntheticModel(
  path: string,
  shape: string,
  options: SyntheticModelOptions = {},
): Promise<WrittenModel> {
  const { header, tensors, ...model } = planFile(shape, options);
  const { bytes } = model;
  await requireRoom(path, bytes);
  await writeFileAtomically(path, async (append) => {
    await append(header);
    await writeTensors(append, tensors, header.length, bytes, options);
  });
  return { path, ...model };
}

/**
 * What `writeSyntheticModel` would write, without writing it.
 *
 * @throws PipelineError `INVALID_ARGUMENT`
 *
 * @example
 * const { bytes } = planSyntheticModel('opt-6.7b', { type: 'F16' });
 */
export function planSyntheticModel(
  shape: string,
  options: SyntheticModelOptions = {},
): PlannedModel {
  const { header: _header, tensors: _tensors, ...model } = planFile(shape, options);
  return model;
}

function planFile(shape: string, options: SyntheticModelOptions) {
  const recipe = resolveRecipe(shape, options);
  const { type, layout } = checkFormat(recipe, options);
  const tensors = modelTensors(new ModelPlan(recipe), type, layout);
  const header = encodeGgufHeader(modelMetadata(recipe, type, layout), tensors);
  const bytes = tensors.reduce((sum, tensor) => sum + paddedBytes(tensor), header.length);
  const parameters = tensors.reduce(
    (sum, tensor) => sum + tensor.shape.reduce((product, size) => product * size, 1),
    0,
  );
  return { recipe, type, layout, bytes, parameters, header, tensors };
}

async function writeTensors(
  append: AppendBytes,
  tensors: readonly SyntheticTensor[],
  headerBytes: number,
  totalBytes: number,
  { onProgress, signal }: SyntheticModelOptions,
): Promise<void> {
  await using out = new WriteAhead(append, (written) => {
    if (signal?.aborted) throw aborted();
    onProgress?.(headerBytes + written, totalBytes);
  });
  for (const tensor of tensors) {
    const fill = tensor.prepare();
    const rows = tensor.shape.slice(1).reduce((product, size) => product * size, 1);
    const rowBytes = tensorBytes(tensor) / rows;
    for (let row = 0; row < rows; row++) {
      const at = out.take(rowBytes) ?? (await out.make(rowBytes));
      fill(row, out.buffer, at);
    }
    const pad = padding(tensorBytes(tensor));
    if (pad > 0) out.buffer.fill(0, out.take(pad) ?? (await out.make(pad)), out.used);
  }
  await out.finish();
}

function checkFormat(
  { name, shape }: Recipe,
  { type = 'Q4_0', layout = 'usual' }: SyntheticModelOptions,
): { type: SyntheticType; layout: SyntheticLayout } {
  if (!SYNTHETIC_TYPES.includes(type)) {
    throw invalidOption(
      'type',
      `must be one of ${SYNTHETIC_TYPES.join(', ')}, not ${String(type)}`,
    );
  }
  if (!SYNTHETIC_LAYOUTS.includes(layout)) {
    const known = SYNTHETIC_LAYOUTS.join(', ');
    throw invalidOption('layout', `must be one of ${known}, not ${String(layout)}`);
  }
  if (layout === 'packed' && shape.experts) {
    throw invalidOption('layout', `packed is not defined for mixtures; write ${name} as usual`);
  }
  return { type, layout };
}

/** A drive that is full after an hour of writing helps nobody. */
async function requireRoom(path: string, bytes: number): Promise<void> {
  const folder = dirname(path);
  const drive = await statfs(folder).catch(() => undefined);
  if (drive === undefined) return; // writing will say what is wrong with the folder
  const free = drive.bavail * drive.bsize;
  if (free >= bytes) return;
  const gigabytes = (count: number) => `${(count / 1e9).toFixed(2)} GB`;
  const reason = `the file takes ${gigabytes(bytes)}, the drive has ${gigabytes(free)} free`;
  const message = `${path}: ${reason}. Write elsewhere, or fewer layers.`;
  throw fileError(path, new PipelineError('IO_ERROR', message, { path, reason }));
}

function paddedBytes(tensor: SyntheticTensor): number {
  const bytes = tensorBytes(tensor);
  return bytes + padding(bytes);
}

function aborted(): PipelineError<'ABORTED'> {
  const reason = 'writing was stopped';
  return new PipelineError('ABORTED', 'Stopped; nothing was written.', { reason });
}
