import {
  type LayerPredictor,
  type PredictorSet,
  predictorBytes,
  predictorWeights,
  writePredictorSet,
} from '@thermocline/contracts';
import { demoModelPath } from '@thermocline/demo-model';
import { formatBytes, importPredictors as importFor } from '@thermocline/runtime';
import { formatCount } from '../format.js';
import { Interrupt } from '../interrupt.js';
import { outputPath } from '../output-file.js';
import { callerPath } from '../paths.js';
import { startProgress } from '../progress.js';
import { errorColors, note, printJson } from '../terminal.js';
import { UsageError } from '../usage-error.js';

export interface ImportPredictorsFlags {
  model?: string;
  output?: string;
  threshold?: number;
  approximate?: boolean;
  json?: boolean;
}

/** `thermocline train import`: makes a predictor set of predictors that PowerInfer publishes. */
export async function importPredictors(
  paths: readonly string[],
  flags: ImportPredictorsFlags,
): Promise<void> {
  const { threshold, approximate } = flags;
  if (threshold !== undefined && !Number.isFinite(threshold)) {
    throw new UsageError('--threshold must be a number.');
  }
  using interrupt = new Interrupt();
  const files = paths.map(callerPath);
  const modelPath = flags.model === undefined ? demoModelPath() : callerPath(flags.model);
  const output = await outputPath(flags.output, 'predictors', [...files, modelPath]);
  using progress = await startProgress('Importing');
  const set = await importFor(files, modelPath, {
    signal: interrupt.signal,
    onNotice: (notice) => note(`note: ${notice}`),
    onProgress: (done, total) => progress.update(done, total),
    ...(threshold !== undefined && { threshold }),
    ...(approximate !== undefined && { approximate }),
  });
  await writePredictorSet(output, set);
  const figures = describe(set);
  if (flags.json) printJson({ path: output, fingerprint: set.fingerprint, ...figures });
  else note(errorColors.bold(closingLine(output, figures)));
}

function describe({ layers, madeBy }: PredictorSet) {
  const ranks = layers.map(rankOf);
  return {
    layers: layers.length,
    ranks,
    bytes: layers.reduce((sum, layer) => sum + predictorBytes(layer), 0),
    weights: layers.reduce((sum, layer) => sum + predictorWeights(layer), 0),
    threshold: madeBy?.options?.['threshold'],
    exact: madeBy?.options?.['exact'],
  };
}

function rankOf(layer: LayerPredictor): number {
  return layer.kind === 'trained' ? layer.down.rows : 0;
}

function closingLine(path: string, figures: ReturnType<typeof describe>): string {
  const { layers, ranks, bytes, exact } = figures;
  const [least, most] = [Math.min(...ranks), Math.max(...ranks)];
  const width =
    least === most ? formatCount(most) : `${formatCount(least)} to ${formatCount(most)}`;
  return [
    `${layers} layers`,
    `${width} wide`,
    formatBytes(bytes),
    exact === true ? 'predicts as the original' : 'approximates the original',
    'not calibrated: --recall does not move it',
    `written to ${path}`,
  ].join(' · ');
}
