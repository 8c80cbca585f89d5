import { isPipelineError } from '@thermocline/contracts';
import { formatBytes } from '@thermocline/runtime';
import {
  type NeuronOrder,
  type PlantOptions,
  planSyntheticModel,
  plantsSparsity,
  type Recipe,
  requirePredictable,
  type SyntheticLayout,
  type SyntheticModelOptions,
  type SyntheticType,
  type WrittenModel,
  writeSyntheticModel,
} from '@thermocline/synth';
import { EXIT } from '../exit-codes.js';
import { formatCount, formatRate, formatShare } from '../format.js';
import { Interrupt } from '../interrupt.js';
import { outputPath } from '../output-file.js';
import { startProgress } from '../progress.js';
import { listShapes } from '../synthesis/list-shapes.js';
import { modelOutput } from '../synthesis/model-output.js';
import { type PlantedFigures, plantPredictors } from '../synthesis/plant-predictors.js';
import { note, print, printJson } from '../terminal.js';
import { UsageError } from '../usage-error.js';

const ORDER_TEXTS: Record<NeuronOrder, string> = {
  random: 'in random order',
  'hottest-first': 'hottest first',
};

export interface SynthFlags extends PlantOptions {
  output?: string;
  type: SyntheticType;
  layout: SyntheticLayout;
  predictors?: string;
  overPrediction?: number;
  list?: boolean;
  json?: boolean;
}

/** `thermocline synth`: writes a model of a known shape, with random weights and planted sparsity. */
export async function synth(shape: string | undefined, flags: SynthFlags): Promise<void> {
  if (flags.list) return listShapes(flags.json);
  if (shape === undefined) throw new UsageError('Say which shape: synth SHAPE; --list names them.');
  using interrupt = new Interrupt();
  const { output, predictors, overPrediction, list: _list, json, ...options } = flags;
  const { recipe } = planSyntheticModel(shape, options); // refuses nonsense before it looks at files
  const path = await modelOutput(output);
  const sidecar = await predictorOutput(predictors, overPrediction, recipe);
  const start = performance.now();
  try {
    const written = await write(path, shape, { ...options, signal: interrupt.signal });
    const seconds = (performance.now() - start) / 1000;
    const planted =
      sidecar === undefined ? undefined : await plantPredictors(sidecar, written, overPrediction);
    if (json) printJson({ ...toJson(written, seconds), predictors: planted ?? null });
    else for (const line of describe(written, seconds, planted)) print(line);
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

/** Where the predictors go; refused before an hour of writing where there can be none. */
async function predictorOutput(
  output: string | undefined,
  overPrediction: number | undefined,
  recipe: Recipe,
): Promise<string | undefined> {
  if (output === undefined && overPrediction === undefined) return undefined;
  if (output === undefined) throw new UsageError('--over-prediction is of --predictors FILE.');
  requirePredictable(recipe);
  return outputPath(output, 'predictors', []);
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
  predictors: PlantedFigures | undefined,
): string[] {
  const { name, layers } = recipe;
  const size = `${formatCount(parameters)} parameters, ${formatBytes(bytes)}`;
  const rate = formatRate(bytes / 1e6 / seconds, 'MB/s');
  return [
    `${path}: synthetic ${name}, ${layers} layers, ${type}, ${layout} layout`,
    `  ${size}, written at ${rate}`,
    describePlanted(recipe),
    ...(predictors ? [describePredictors(predictors)] : []),
    '  synthetic weights: what it says is noise',
  ];
}

function describePlanted(recipe: Recipe): string {
  const { shape, sparsity, skew, rank, predictability, order, seed } = recipe;
  if (!plantsSparsity(shape))
    return `  dense: with ${shape.activation} every neuron fires; seed ${seed}`;
  return `  planted: ${formatShare(sparsity)} sparse, skew ${skew}, ${formatShare(predictability)} of it predictable in ${rank} columns, neurons ${ORDER_TEXTS[order]}, seed ${seed}`;
}

function describePredictors(figures: PlantedFigures): string {
  const { path, params_share, over_prediction, expected_recall_value } = figures;
  return `  ${path}: predictors of ${formatShare(params_share)} of the parameters; value recall ${formatShare(expected_recall_value)} expected at ${over_prediction.toFixed(2)} predicted per firing`;
}
