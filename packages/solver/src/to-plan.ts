import {
  type ActivationProfile,
  blockType,
  type LayerPlacement,
  type PlacementPlan,
} from '@thermocline/contracts';
import manifest from '../package.json' with { type: 'json' };
import type { ProblemSetup } from './build-problem.js';
import { clusterNeurons } from './order-neurons.js';
import {
  byTier,
  embeddingsTier,
  type PlacementFigures,
  placedByChoice,
  placementFigures,
} from './placement-figures.js';
import type { PlacementChoice, ProblemSolution } from './problem.js';
import type { Settings } from './settings.js';

/**
 * Writes a solution as a plan: the order of the neurons with the ends of the tiers, and all that
 * explains them.
 *
 * @param orders - neuron ids, hottest first. [layers][n_ff]
 */
export function toPlan(
  profile: ActivationProfile,
  setup: ProblemSetup,
  solution: ProblemSolution,
  orders: readonly Uint32Array[],
): PlacementPlan {
  const { settings } = setup;
  const { choice, value, bound, gap, shadowPrices } = solution;
  tellSplitLayers(setup, choice);
  const figures = placementFigures(setup, placedByChoice(setup, choice));
  return {
    fingerprint: profile.fingerprint,
    model: profile.model,
    corpora: profile.corpora,
    madeBy: {
      tool: manifest.name,
      version: manifest.version,
      options: describeOptions(setup),
    },
    layers: placeNeurons(profile, settings, choice, orders),
    budgetBytes: settings.budgetBytes,
    usedBytes: figures.usedBytes,
    dense: densePlacement(setup, choice, figures),
    predicted: { secondsPerToken: figures.secondsPerToken, parts: figures.parts },
    solution: { objective: settings.objective, value, bound, gap },
    workload: {
      mode: settings.mode,
      contextTokens: settings.contextTokens,
      kvType: settings.kvType,
    },
    // Those of `impact` are firings, not seconds.
    ...(settings.objective === 'latency' && { shadowPrices }),
  };
}

/** Blocks of a down matrix run across neurons, so the engine does not divide them. */
function tellSplitLayers({ model, memory, settings }: ProblemSetup, choice: PlacementChoice): void {
  const type = blockType(model, 'down');
  if (type === undefined) return;
  const split = choice.gpu.filter((gpu, layer) => gpu > 0 && (choice.cpu[layer] as number) > 0);
  if (split.length === 0) return;
  const bytes = split.reduce((sum, gpu) => sum + gpu * memory.neuron.down, 0);
  settings.onNotice(
    `${split.length} layers are split between GPU and memory, and their down matrix is ${type}: the engine's present layout keeps all of it in memory, ${bytes} bytes more than the plan counts`,
  );
}

/** Hottest first; on flash, neurons that fire together lie together. */
function placeNeurons(
  { layers }: ActivationProfile,
  { onNotice }: Settings,
  choice: PlacementChoice,
  orders: readonly Uint32Array[],
): LayerPlacement[] {
  let unclustered = 0;
  const placements = layers.map(({ coactivation }, layer): LayerPlacement => {
    const order = orders[layer] as Uint32Array;
    const gpuEnd = choice.gpu[layer] as number;
    const cpuEnd = gpuEnd + (choice.cpu[layer] as number);
    const tierEnd = [gpuEnd, cpuEnd] as const;
    if (cpuEnd === order.length) return { order, tierEnd };
    if (coactivation === undefined) {
      unclustered++;
      return { order, tierEnd };
    }
    const clustered = Uint32Array.from(order);
    clustered.set(clusterNeurons(order.subarray(cpuEnd), coactivation), cpuEnd);
    return { order: clustered, tierEnd };
  });
  if (unclustered > 0) {
    onNotice(
      `The profile does not say which neurons of ${unclustered} layers fire together: on flash they stay in the order of their firing rates`,
    );
  }
  return placements;
}

function densePlacement(
  setup: ProblemSetup,
  { dense, head }: PlacementChoice,
  { uses }: PlacementFigures,
): NonNullable<PlacementPlan['dense']> {
  return {
    attention: [...dense],
    kvCache: [...dense],
    predictors: [...dense],
    embeddings: embeddingsTier(setup, head),
    head,
    scratchBytes: byTier((tier) => (uses[tier].scratch ?? 0) + (uses[tier].staging ?? 0)),
  };
}

function describeOptions({ hardware, settings }: ProblemSetup): Record<string, unknown> {
  const { budgetBytes, predictorBytes, timeLimitMs } = settings;
  const predictors = predictorBytes.reduce((sum, bytes) => sum + bytes, 0);
  return {
    hardware: hardware.name,
    objective: settings.objective,
    method: settings.method,
    mode: settings.mode,
    context_tokens: settings.contextTokens,
    kv_type: settings.kvType,
    vram_budget_bytes: budgetBytes.gpu,
    ram_budget_bytes: budgetBytes.cpu,
    ...(settings.mode === 'predicted' && {
      predictor_bytes: predictors,
      over_prediction: settings.overPrediction,
    }),
    ...(timeLimitMs !== undefined && { time_limit_ms: timeLimitMs }),
  };
}
