import { createHash } from 'node:crypto';
import {
  type ActivationProfile,
  type ActivationSource,
  BLOCK_COLUMNS,
  checkWhole,
  hasExactZeros,
  invalidOption,
  type LayerActivations,
  type ModelInfo,
  modelParameters,
  PipelineError,
  PREDICTOR_KINDS,
  PREDICTOR_TYPES,
  type PredictorKind,
  type PredictorType,
} from '@thermocline/contracts';
import { type LayerStatistics, layerStatistics } from './layer-statistics.js';
import { neuronNorms } from './neuron-norms.js';
import type { PredictorBudget, TrainOptions } from './train-options.js';

const DEFAULT_TOKENS = 131_072;
/** Costs the demo model 0.7 % of perplexity; 0.97 costs 1.3 %. */
const DEFAULT_RECALL = 0.985;
const DEFAULT_SPARSITY = 0.5;
const DEFAULT_OVER_PREDICTION = 1.3;
const DEFAULT_CACHE_BYTES = 8 * 2 ** 30;
/** Models with fewer weights are dominated by their tables, and predictors are cheap beside those. */
const LARGE_MODEL = 1e9;

const LOW_RANK: readonly PredictorKind[] = ['trained', 'factorised'];
const LOW_RANK_OPTIONS = ['widths', 'budget', 'type', 'overPrediction'] as const;

/** What is wanted: value recall, or the share of neurons that are left out. */
export type Target = { recall: number } | { sparsity: number };

/** Everything that decides what comes out. */
export interface TrainRun {
  source: ActivationSource;
  model: ModelInfo;
  profile: ActivationProfile;
  options: TrainOptions;
  kind: Exclude<PredictorKind, 'none'>;
  lookahead: boolean;
  type: PredictorType;
  target: Target;
  overPrediction: number;
  budget: PredictorBudget;
  tokens: number;
  cacheBytes: number;
  /** A neuron fires where |h| is above. [layers] */
  firesAbove: number[];
  /** ‖down column‖ by neuron. [layers][n_ff] */
  norms: Float32Array[];
  statistics: LayerStatistics[];
  /** Weights of the model. */
  parameters: number;
  /** The above as JSON, for `made_by` and for recognising saved progress. */
  settings: Record<string, unknown>;
}

/**
 * Checks the options and gathers what decides the predictors.
 *
 * @throws PipelineError `INVALID_ARGUMENT`, `ARTIFACT_MODEL_MISMATCH`
 */
export function planTraining(
  source: ActivationSource,
  profile: ActivationProfile,
  options: TrainOptions,
): TrainRun {
  const { model } = source;
  requireSameModel(source, profile);
  const kind = chooseKind(model, options);
  const lookahead = options.lookahead ?? false;
  if (lookahead && kind === 'gate') {
    throw invalidOption('lookahead', 'is not for kind "gate", which reads its own layer');
  }
  if (kind !== 'trained' && options.weights === undefined) {
    throw invalidOption('weights', `are needed for kind "${kind}", which is made of them`);
  }
  checkUsed(options, kind);
  checkWidths(options.widths, model);
  const target = chooseTarget(model, kind, options);
  const tokens = checkWhole('tokens', options.tokens ?? DEFAULT_TOKENS, 1, 2 ** 40);
  const statistics = profile.layers.map(layerStatistics);
  const run = {
    source,
    model,
    profile,
    options,
    kind,
    lookahead,
    target,
    tokens,
    statistics,
    parameters: modelParameters(model),
    type: oneOf('type', options.type ?? 'Q8_0', PREDICTOR_TYPES),
    overPrediction: checkRange(
      'overPrediction',
      options.overPrediction ?? DEFAULT_OVER_PREDICTION,
      1,
      1e6,
    ),
    budget: checkBudget(options.budget, model),
    cacheBytes: checkWhole('cacheBytes', options.cacheBytes ?? DEFAULT_CACHE_BYTES, 1),
    firesAbove: profile.layers.map(({ threshold }) => (kind === 'gate' ? 0 : (threshold ?? 0))),
    norms: chooseNorms(profile, options),
  };
  if (options.epochs !== undefined) checkWhole('epochs', options.epochs, 1, 1000);
  if (options.seed !== undefined) checkWhole('seed', options.seed, 0, 2 ** 32 - 1);
  return { ...run, settings: settingsOf(run) };
}

function settingsOf(run: Omit<TrainRun, 'settings'>): Record<string, unknown> {
  const { kind, lookahead, type, target, overPrediction, budget, tokens, options, profile } = run;
  const { everyLayer = false, widths, epochs, seed = 0, corpora = [] } = options;
  const ranked = LOW_RANK.includes(kind);
  return {
    kind,
    lookahead,
    ...target,
    tokens,
    ...options.reading,
    ...(ranked && { type, budget, over_prediction: overPrediction }),
    ...(kind !== 'gate' && { every_layer: everyLayer }),
    ...(widths && { widths: [...widths] }),
    ...(kind === 'trained' && { epochs: epochs ?? 'default', seed }),
    weights: options.weights !== undefined,
    held_out: options.heldOutWindows ? 'own text' : 'every eighth window',
    corpus: digestOf(corpora.map(({ sha256, tokens: taken }) => [sha256, taken])),
    profile: digestOf(profile.layers.map(({ fires, threshold = 0 }) => [fires.join(), threshold])),
  };
}

/** A short name for a value: different values, different names. */
function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}

function requireSameModel({ fingerprint, model }: ActivationSource, profile: ActivationProfile) {
  const same =
    profile.fingerprint === fingerprint && profile.model.n_ff.join() === model.n_ff.join();
  if (same) return;
  throw new PipelineError(
    'ARTIFACT_MODEL_MISMATCH',
    `The profile is of the model ${profile.fingerprint}, not of ${fingerprint}. Profile this model first.`,
    { path: 'profile', expected: fingerprint, found: profile.fingerprint },
  );
}

/** Where activations are never 0, only gates tell which neurons matter: mode `threshold` runs those. */
function chooseKind(model: ModelInfo, { kind: asked }: TrainOptions): TrainRun['kind'] {
  const usual = hasExactZeros(model) ? 'trained' : 'gate';
  const kind = oneOf('kind', asked ?? usual, PREDICTOR_KINDS.slice(1)) as TrainRun['kind'];
  if (kind === 'gate' || hasExactZeros(model)) return kind;
  const reason =
    `must be "gate" (--kind gate) for a model with ${model.activation}, not "${kind}": its activations are never 0, ` +
    'and mode threshold, which leaves out small ones, goes by the gate itself';
  throw invalidOption('kind', reason);
}

function chooseTarget(
  model: ModelInfo,
  kind: PredictorKind,
  { recall, sparsity }: TrainOptions,
): Target {
  if (recall !== undefined && sparsity !== undefined) {
    throw invalidOption(
      'sparsity',
      'cannot be given together with recall: one follows from the other',
    );
  }
  if (sparsity !== undefined && kind !== 'gate') {
    throw invalidOption('sparsity', 'is for kind "gate"; give recall for the others');
  }
  if (sparsity !== undefined) return { sparsity: checkInside('sparsity', sparsity) };
  if (recall !== undefined) return { recall: checkInside('recall', recall) };
  if (kind === 'gate' && !hasExactZeros(model)) return { sparsity: DEFAULT_SPARSITY };
  return { recall: DEFAULT_RECALL };
}

/** An option that does nothing for a kind is a mistake of whoever gave it. */
function checkUsed(options: TrainOptions, kind: PredictorKind): void {
  const unused = LOW_RANK.includes(kind)
    ? undefined
    : LOW_RANK_OPTIONS.find((name) => options[name] !== undefined);
  if (unused !== undefined) {
    const verb = unused === 'widths' ? 'are' : 'is';
    throw invalidOption(unused, `${verb} for kinds "trained" and "factorised", not "${kind}"`);
  }
  if (options.epochs !== undefined && kind !== 'trained') {
    throw invalidOption('epochs', `are for kind "trained", not "${kind}"`);
  }
}

function checkWidths(widths: TrainOptions['widths'], model: ModelInfo): void {
  if (widths === undefined) return;
  if (widths.length !== model.layers) {
    throw invalidOption('widths', `must be ${model.layers} numbers, one for each layer`);
  }
  for (const [layer, width] of widths.entries()) {
    checkWhole(`widths[${layer}]`, width, 0, 2 ** 20);
    if (width % BLOCK_COLUMNS !== 0) {
      throw invalidOption(
        `widths[${layer}]`,
        `must be a multiple of ${BLOCK_COLUMNS}, not ${width}`,
      );
    }
  }
}

function checkBudget(budget: PredictorBudget | undefined, model: ModelInfo): PredictorBudget {
  if (budget === undefined) return { share: modelParameters(model) < LARGE_MODEL ? 0.15 : 0.06 };
  if ('bytes' in budget) return { bytes: checkWhole('budget.bytes', budget.bytes, 1) };
  return { share: checkInside('budget.share', budget.share) };
}

function chooseNorms(profile: ActivationProfile, { onNotice }: TrainOptions): Float32Array[] {
  const alone = ({ fires }: LayerActivations) => new Float32Array(fires.length).fill(1);
  // Value is pooled over the layers: it has to be counted alike in all of them.
  if (profile.layers.some(({ contribution, absSum }) => !contribution || !absSum)) {
    onNotice?.(
      'The profile does not say what its neurons contribute: a neuron counts by its activation alone. A profile of the model itself does better.',
    );
    return profile.layers.map(alone);
  }
  return profile.layers.map((layer, index) => {
    const norms = neuronNorms(layer);
    if (norms !== undefined) return norms;
    onNotice?.(
      `No neuron of layer ${index} was active for the profile: what they contribute is not known, and they count by their activation alone.`,
    );
    return alone(layer);
  });
}

function oneOf<T extends string>(argument: string, value: T, known: readonly T[]): T {
  if (known.includes(value)) return value;
  throw invalidOption(argument, `must be one of ${known.join(', ')}, not "${value}"`);
}

function checkInside(argument: string, value: number): number {
  if (value > 0 && value < 1) return value;
  throw invalidOption(argument, `must lie between 0 and 1, not ${value}`);
}

function checkRange(argument: string, value: number, lowest: number, highest: number): number {
  if (value >= lowest && value <= highest) return value;
  throw invalidOption(argument, `must lie between ${lowest} and ${highest}, not ${value}`);
}
