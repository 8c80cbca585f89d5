import { join } from 'node:path';
import {
  isPipelineError,
  type LayerPredictor,
  type PredictorSet,
  readPredictorSet,
  type ScoreCurve,
  writePredictorSet,
} from '@thermocline/contracts';
import type { WidthChoice } from './train-options.js';
import type { TrainRun } from './train-run.js';
import { damaged, type WorkFolder } from './work-folder.js';

/** A layer that is trained: what it predicts with, and what it finds at every common threshold. */
export interface LayerFit {
  choice: WidthChoice;
  predictor: LayerPredictor;
  /** Absent where there is no predictor. */
  curve?: ScoreCurve;
  /** Of a predictor of the same kind and width that reads its own layer. */
  sameLayer?: ScoreCurve;
  history?: { heldOutLoss: number[]; best: number };
  /** What scores were multiplied by for the curve: thresholds t / scales. Kind `gate`. [n_ff] */
  scales?: Float32Array;
}

const TOOL = 'progress of @thermocline/predictor';
const ARRAYS = {
  shifts: Float32Array,
  predicted: Float64Array,
  hits: Float64Array,
  hitValue: Float64Array,
} as const;

const fileOf = (folder: WorkFolder, layer: number) =>
  join(folder.path, `layer-${layer}.safetensors`);

/** Keeps a finished layer: a predictor set in which the other layers have none. */
export async function saveLayer(run: TrainRun, folder: WorkFolder, fit: LayerFit): Promise<void> {
  const { choice, curve, sameLayer, history, scales } = fit;
  const layers = Array.from(
    { length: run.model.layers },
    (_, layer): LayerPredictor => (layer === choice.layer ? fit.predictor : { kind: 'none' }),
  );
  const options = {
    choice,
    ...(curve && { curve: encodeCurve(curve) }),
    ...(sameLayer && { same_layer: encodeCurve(sameLayer) }),
    ...(history && { history }),
    ...(scales && { scales: [...scales] }),
  };
  await writePredictorSet(fileOf(folder, choice.layer), {
    fingerprint: run.source.fingerprint,
    model: run.model,
    corpora: [],
    madeBy: { tool: TOOL, version: '', options },
    layers,
  });
}

/**
 * Reads a finished layer; `undefined` when it is not finished.
 *
 * @throws PipelineError `ARTIFACT_CORRUPT`
 */
export async function readLayer(
  run: TrainRun,
  folder: WorkFolder,
  layer: number,
): Promise<LayerFit | undefined> {
  const path = fileOf(folder, layer);
  let set: PredictorSet;
  try {
    set = await readPredictorSet(path, { fingerprint: run.source.fingerprint });
  } catch (error) {
    if (isPipelineError(error, 'FILE_NOT_FOUND')) return undefined;
    if (isPipelineError(error, 'IO_ERROR')) throw error;
    throw damaged(path, `is damaged (${(error as Error).message})`);
  }
  const saved = set.madeBy?.options as SavedFit | undefined;
  const predictor = set.layers[layer];
  if (set.madeBy?.tool !== TOOL || saved?.choice?.layer !== layer || predictor === undefined) {
    throw damaged(path, 'holds no progress of a trainer');
  }
  if (predictor.kind === 'none') return { choice: saved.choice, predictor };
  const curve = decodeCurve(saved.curve);
  if (curve === undefined) throw damaged(path, 'lacks the curve of its scores');
  const sameLayer = decodeCurve(saved.same_layer);
  return {
    choice: saved.choice,
    predictor,
    curve,
    ...(sameLayer && { sameLayer }),
    ...(saved.history && { history: saved.history }),
    ...(saved.scales && { scales: Float32Array.from(saved.scales) }),
  };
}

type SavedCurve = { [K in keyof ScoreCurve]: ScoreCurve[K] extends number ? number : number[] };

interface SavedFit {
  choice: WidthChoice;
  curve?: SavedCurve;
  same_layer?: SavedCurve;
  history?: { heldOutLoss: number[]; best: number };
  scales?: number[];
}

function encodeCurve(curve: ScoreCurve): SavedCurve {
  const { shifts, predicted, hits, hitValue } = curve;
  return {
    ...curve,
    shifts: [...shifts],
    predicted: [...predicted],
    hits: [...hits],
    hitValue: [...hitValue],
  };
}

function decodeCurve(saved: SavedCurve | undefined): ScoreCurve | undefined {
  if (saved === undefined) return undefined;
  const points = saved.shifts?.length;
  const keys = Object.keys(ARRAYS) as (keyof typeof ARRAYS)[];
  if (!keys.every((key) => Array.isArray(saved[key]) && saved[key].length === points)) {
    return undefined;
  }
  return {
    tokens: saved.tokens,
    firing: saved.firing,
    firingValue: saved.firingValue,
    shifts: Float32Array.from(saved.shifts),
    predicted: Float64Array.from(saved.predicted),
    hits: Float64Array.from(saved.hits),
    hitValue: Float64Array.from(saved.hitValue),
  };
}
