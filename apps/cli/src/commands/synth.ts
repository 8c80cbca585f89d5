import { isPipelineError } from '@thermocline/contracts';
import { formatBytes } from '@thermocline/runtime';
import {
  type PlantOptions,
  planSyntheticModel,
  type SyntheticLayout,
  type SyntheticModelOptions,
  type SyntheticType,
  type WrittenModel,
  writeSyntheticModel,
} from '@thermocline/synth';
import { EXIT } from '../exit-codes.js';
import { formatCount, formatRate, formatShare } from '../format.js';
import { Interrupt } from '../interrupt.js';
import { startProgress } from '../progress.js';
import { listShapes } from '../synthesis/list-shapes.js';
import { modelOutput } from '../synthesis/model-output.js';
import { note, print, printJson } from '../terminal.js';
import { UsageError } from '../usage-error.js';

export interface SynthFlags extends PlantOptions {
  output?: string;
  type: SyntheticType;
  layout: SyntheticLayout;
  list?: boolean;
  json?: boolean;
}

/** `thermocline synth`: writes a model of a known shape, with random weights and planted sparsity. */
export async function synth(shape: string | undefined, flags: SynthFlags): Promise<void> {
  if (flags.list) return listShapes(flags.json);
  if (shape === undefined) throw new UsageError('Say which shape: synth SHAPE; --list names them.');
  using interrupt = new Interrupt();
  const { output, list: _list, json, ...options } = flags;
  planSyntheticModel(shape, options); // refuses what makes no sense before it looks at files
  const path = await modelOutput(output);
  const start = performance.now();
  try {
    const written = await write(path, shape, { ...options, signal: interrupt.signal });
    const seconds = (performance.now() - start) / 1000;
    if (json) printJson(toJson(written, seconds));
    else for (const line of describe(written, seconds)) print(line);
  } catch (error) {
    if (!interrupt.requested || !isPipelineError(error, 'ABORTED')) throw error;
    note(error.message);
    process.exitCode = EXIT.interrupted;
  }
}

async function write(
  path: string,
  shape: string,
  options: SyntheticModelOptions,
): Promise<WrittenModel> {
  using progress = await startProgress('Writing');
  return await writeSyntheticModel(path, shape, {
    ...options,
    onProgress: (done, total) => progress.update(done, total, formatBytes(done)),
  });
}

function toJson({ recipe, ...written }: WrittenModel, seconds: number): object {
  const { name, shape, ...planted } = recipe;
  return {
    ...written,
    synthetic: true,
    shape: name,
    arch: shape.arch,
    activation: shape.activation,
    ...planted,
    seconds,
    bytes_per_second: written.bytes / seconds,
  };
}

function describe(
  { path, recipe, type, layout, bytes, parameters }: WrittenModel,
  seconds: number,
) {
  const { name, layers, sparsity, skew, rank, predictability, seed } = recipe;
  const size = `${formatCount(parameters)} parameters, ${formatBytes(bytes)}`;
  const rate = formatRate(bytes / 1e6 / seconds, 'MB/s');
  return [
    `${path}: synthetic ${name}, ${layers} layers, ${type}, ${layout} layout`,
    `  ${size}, written at ${rate}`,
    `  planted: ${formatShare(sparsity)} sparse, skew ${skew}, ${formatShare(predictability)} of it predictable in ${rank} columns, seed ${seed}`,
    '  synthetic weights: what it says is noise',
  ];
}
