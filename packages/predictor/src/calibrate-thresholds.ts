import type { HeldOutQuality, LayerPredictor, ScoreCurve } from '@thermocline/contracts';
import type { LayerFit } from './layer-fit.js';
import { type HullPoint, scoreHull } from './score-hull.js';
import type { Target, TrainRun } from './train-run.js';
import { walkHulls } from './walk-hulls.js';

/** What is calibrated beside the target, so that it can be moved later. */
const RECALLS = [
  0.8, 0.85, 0.88, 0.9, 0.92, 0.93, 0.94, 0.95, 0.96, 0.965, 0.97, 0.975, 0.98, 0.985, 0.99, 0.995,
  0.998, 0.999,
];
const SPARSITIES = [
  0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9,
];

/** Far below any activation that matters, and above what a float32 rounds to 0. */
const LEAST_THRESHOLD = 1e-20;

/** A layer that predicts. */
interface Curved {
  layer: number;
  curve: ScoreCurve;
  neurons: number;
  hull: HullPoint[];
}

/** One setting of all thresholds. */
interface Setting {
  /** Value recall over all layers. */
  recall: number;
  /** Where each layer stands. [curved layers] */
  points: HullPoint[];
  isTarget: boolean;
}

/**
 * Gives all layers the thresholds with which, together, they reach the target with the fewest
 * predicted neurons, and notes how to move them to other targets.
 *
 * @returns [layers]
 */
export function calibrateThresholds(run: TrainRun, fits: readonly LayerFit[]): LayerPredictor[] {
  run.options.onProgress?.({ phase: 'calibrate', fraction: 0 });
  const layers = curvesOf(run, fits, (fit) => fit.curve);
  const settings = settingsFor(run, layers);
  const beside = sameLayerQuality(run, fits);
  const predictors = fits.map(({ predictor }) => predictor);
  for (const [index, { layer, curve, neurons }] of layers.entries()) {
    const predictor = predictors[layer] as LayerPredictor;
    if (predictor.kind === 'none') continue;
    const rows = settings.map(({ recall, points, isTarget }) => {
      return { recall, point: points[index] as HullPoint, isTarget };
    });
    const target = rows.find(({ isTarget }) => isTarget)?.point as HullPoint;
    const sameLayer = beside.get(layer);
    const { threshold, unit } = thresholdAt(predictor.threshold, target, fits[layer]?.scales);
    predictors[layer] = {
      ...predictor,
      threshold,
      calibration: calibrationOf(rows, target, unit, curve, neurons),
      heldOut: qualityAt(target, curve, neurons),
      ...(sameLayer && { sameLayer }),
    };
  }
  run.options.onProgress?.({ phase: 'calibrate', fraction: 1 });
  return predictors;
}

/**
 * Thresholds at a point of the curve; `unit`: how far their mean moves with the curve's shift.
 * With scales they are divided by them, and must not be 0, to keep their proportions when moved.
 */
function thresholdAt(
  own: Float32Array,
  { shift }: HullPoint,
  scales: Float32Array | undefined,
): { threshold: Float32Array; unit: number } {
  if (scales === undefined) return { threshold: own.map((value) => value + shift), unit: 1 };
  const common = Math.max(shift, LEAST_THRESHOLD);
  const inverse = Float64Array.from(scales, (scale) => 1 / scale);
  return {
    threshold: Float32Array.from(inverse, (value) => common * value),
    unit: inverse.reduce((sum, value) => sum + value, 0) / inverse.length,
  };
}

function notBelowZero(point: HullPoint): HullPoint {
  return { ...point, shift: Math.max(0, point.shift) };
}

function curvesOf(
  run: TrainRun,
  fits: readonly LayerFit[],
  curveOf: (fit: LayerFit) => ScoreCurve | undefined,
): Curved[] {
  return fits.flatMap((fit, layer) => {
    const curve = curveOf(fit);
    if (curve === undefined) return [];
    const neurons = run.model.n_ff[layer] as number;
    const hull = scoreHull(curve);
    // A gate's score is never below 0, and leaving out what is 0 costs nothing.
    const points = fit.predictor.kind === 'gate' ? hull.map(notBelowZero) : hull;
    return [{ layer, curve, neurons, hull: points }];
  });
}

/** What the predictors that read their own layer reach at the same target. [layer] */
function sameLayerQuality(run: TrainRun, fits: readonly LayerFit[]): Map<number, HeldOutQuality> {
  // The first layer reads its own anyway.
  const layers = curvesOf(run, fits, (fit) => fit.sameLayer ?? fit.curve);
  const points = settingsFor(run, layers).find(({ isTarget }) => isTarget)?.points ?? [];
  return new Map(
    layers.flatMap(({ layer, curve, neurons }, i): [number, HeldOutQuality][] => {
      if (fits[layer]?.sameLayer === undefined) return [];
      return [[layer, qualityAt(points[i] as HullPoint, curve, neurons)]];
    }),
  );
}

/** The target and the settings around it, by ascending recall. */
function settingsFor(run: TrainRun, layers: readonly Curved[]): Setting[] {
  const { target } = run;
  const value = valueToFind(run, layers);
  const hulls = layers.map(({ hull }) => hull);
  const goals = goalsOf(target);
  const walk = walkOf(run, target, layers, value, goals);
  const places = walkHulls(hulls, ...walk, layerWeights(target, layers));
  const settings = places.map((points, i): Setting => {
    const found = points.reduce((sum, point) => sum + point.value, 0) + value.certain;
    const recall = 'recall' in target ? (goals[i] as number) : found / value.total;
    return { recall, points, isTarget: goals[i] === Object.values(target)[0] };
  });
  return distinct(settings);
}

/** Value per token of all layers, and of those that compute all their neurons. */
function valueToFind(run: TrainRun, layers: readonly Curved[]): { total: number; certain: number } {
  const predicting = new Set(layers.map(({ layer }) => layer));
  const certain = run.statistics.reduce(
    (sum, { valuePerToken }, layer) => sum + (predicting.has(layer) ? 0 : valuePerToken),
    0,
  );
  const total = layers.reduce((sum, { curve }) => sum + curve.firingValue / curve.tokens, certain);
  return { total: total || 1, certain };
}

/** In the order in which thresholds open. */
function goalsOf(target: Target): number[] {
  if ('recall' in target) return merge(RECALLS, target.recall);
  return merge(SPARSITIES, target.sparsity).reverse();
}

function merge(grid: readonly number[], chosen: number): number[] {
  return [...new Set([...grid, chosen])].sort((a, b) => a - b);
}

function walkOf(
  { model }: TrainRun,
  target: Target,
  layers: readonly Curved[],
  { total, certain }: { total: number; certain: number },
  goals: readonly number[],
): [(point: HullPoint) => number, number[]] {
  if ('recall' in target) {
    return [(point) => point.value, goals.map((recall) => recall * total - certain)];
  }
  const all = model.n_ff.reduce((sum, neurons) => sum + neurons, 0);
  const open = all - layers.reduce((sum, { neurons }) => sum + neurons, 0);
  return [(point) => point.predicted, goals.map((sparsity) => (1 - sparsity) * all - open)];
}

/**
 * What a unit of each layer's value counts. For a recall they count alike: it is pooled. Where a
 * share of neurons is to be left out, layers count alike: later ones have larger activations, and
 * earlier ones would be left with next to nothing. On a SwiGLU model of 8 million weights half of the
 * neurons then cost 3.6 % of perplexity, not 8.0 %.
 */
function layerWeights(target: Target, layers: readonly Curved[]): number[] {
  return layers.map(({ curve }) => {
    const value = curve.firingValue / curve.tokens;
    return 'recall' in target || value === 0 ? 1 : 1 / value;
  });
}

/** Recalls must ascend in a file; of equal ones the target stays. */
function distinct(settings: readonly Setting[]): Setting[] {
  const kept: Setting[] = [];
  for (const setting of settings) {
    const last = kept.at(-1);
    if (last === undefined || Math.fround(setting.recall) > Math.fround(last.recall)) {
      kept.push(setting);
    } else if (setting.isTarget) {
      kept[kept.length - 1] = setting;
    }
  }
  return kept;
}

function calibrationOf(
  rows: readonly { recall: number; point: HullPoint }[],
  target: HullPoint,
  unit: number,
  curve: ScoreCurve,
  neurons: number,
): Float32Array {
  return Float32Array.from(
    rows.flatMap(({ recall, point }) => [
      recall,
      Math.min(1, point.predicted / neurons),
      (point.shift - target.shift) * unit,
      recallOf(point.value, curve.firingValue / curve.tokens),
    ]),
  );
}

function qualityAt(point: HullPoint, curve: ScoreCurve, neurons: number): HeldOutQuality {
  const { tokens, firing, firingValue } = curve;
  return {
    recallCount: recallOf(point.hits, firing / tokens),
    recallValue: recallOf(point.value, firingValue / tokens),
    overPrediction: point.predicted / (firing / tokens),
    tokens,
    density: Math.min(1, firing / tokens / neurons),
  };
}

function recallOf(found: number, all: number): number {
  return all > 0 ? Math.min(1, Math.max(0, found / all)) : 1;
}
