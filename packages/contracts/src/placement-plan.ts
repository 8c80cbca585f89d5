import * as z from 'zod';
import { writeArtifact } from './artifact.js';
import {
  layerTensor,
  type Refuse,
  refuseArgument,
  refuseFile,
  requireLayerNames,
} from './artifact-layers.js';
import {
  type ArtifactOrigin,
  encodeOrigin,
  getJson,
  type ReadArtifactOptions,
  setJson,
  withArtifact,
} from './artifact-origin.js';
import { MODES } from './engine.js';
import { corrupt } from './file-errors.js';
import { TIERS, type Tier } from './hardware-info.js';
import type { TensorData } from './tensor.js';

export const PLACEMENT_PLAN_FORMAT = 'thermocline.placement-plan';

const tier = z.enum(TIERS);
const bytes = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const bytesPerTier = z.object({ gpu: bytes, cpu: bytes, flash: bytes });
const price = z.number().nonnegative();
const pricePerTier = z.object({ gpu: price, cpu: price, flash: price });

const denseSchema = z.object({
  /** [layers] */
  attention: z.array(tier),
  /** [layers] */
  kvCache: z.array(tier),
  /** [layers] */
  predictors: z.array(tier),
  embeddings: tier,
  head: tier,
  scratchBytes: bytesPerTier,
});

const predictedSchema = z.object({
  /** Expected time of one token, seconds, … */
  secondsPerToken: z.number().nonnegative(),
  /** … and its parts, such as `attention`, `ffn`, `sync`. */
  parts: z.array(z.object({ name: z.string(), seconds: z.number().nonnegative() })),
});

const solutionSchema = z.object({
  objective: z.enum(['latency', 'impact']),
  value: z.number(),
  /** No plan can be better than this. */
  bound: z.number(),
  /** |value − bound| ÷ |value| */
  gap: z.number().nonnegative(),
});

const workloadSchema = z.object({
  mode: z.enum(MODES),
  /** Tokens the KV caches hold, all sessions together. */
  contextTokens: z.number().int().positive(),
  kvType: z.enum(['f16', 'f32']),
});

/** What the plan was made for. */
export type PlanWorkload = z.infer<typeof workloadSchema>;
/** Where everything but the FFN neurons lives. */
export type DensePlacement = z.infer<typeof denseSchema>;
/** What the solver expects of a plan. */
export type PredictedTime = z.infer<typeof predictedSchema>;
/** How good the solver knows a plan to be. */
export type PlanSolution = z.infer<typeof solutionSchema>;

/** The neurons of one layer, hottest first, cut into tiers. */
export interface LayerPlacement {
  /** Neuron ids of the model file in storage order; each exactly once. [n_ff] */
  order: Uint32Array;
  /** `order[0..e0)` on the GPU, `[e0..e1)` on the CPU, the rest on flash. */
  tierEnd: readonly [number, number];
}

/** Where every neuron lives: what a solver makes and an engine obeys. */
export interface PlacementPlan extends ArtifactOrigin {
  /** [layers], in the order of their numbers */
  layers: LayerPlacement[];
  /** Bytes each tier may use; the plan is for these budgets and no others. */
  budgetBytes: Record<Tier, number>;
  /** Bytes it uses of them. */
  usedBytes?: Record<Tier, number>;
  dense?: DensePlacement;
  predicted?: PredictedTime;
  solution?: PlanSolution;
  workload?: PlanWorkload;
  /** Seconds per token that one more byte of a tier would save, at the solution. */
  shadowPrices?: Record<Tier, number>;
}

/**
 * Writes a placement plan, complete or not at all.
 *
 * @throws PipelineError `INVALID_ARGUMENT` when the plan contradicts itself, `IO_ERROR`
 */
export async function writePlacementPlan(path: string, plan: PlacementPlan): Promise<void> {
  checkPlan(plan, refuseArgument('plan'));
  const metadata = encodeOrigin(PLACEMENT_PLAN_FORMAT, plan);
  setJson(metadata, 'budget_bytes', plan.budgetBytes, bytesPerTier);
  setJson(metadata, 'used_bytes', plan.usedBytes, bytesPerTier);
  setJson(metadata, 'dense', plan.dense, denseSchema);
  setJson(metadata, 'predicted', plan.predicted, predictedSchema);
  setJson(metadata, 'solution', plan.solution, solutionSchema);
  setJson(metadata, 'workload', plan.workload, workloadSchema);
  setJson(metadata, 'shadow_prices', plan.shadowPrices, pricePerTier);
  await writeArtifact(path, metadata, plan.layers.flatMap(layerTensors));
}

/**
 * Reads a placement plan and checks that an engine could carry it out.
 *
 * @throws PipelineError `FILE_NOT_FOUND`, `ARTIFACT_CORRUPT`, `ARTIFACT_FORMAT`,
 * `ARTIFACT_VERSION`, `ARTIFACT_MODEL_MISMATCH`
 *
 * @example
 * const plan = await readPlacementPlan('story.plan.safetensors', { fingerprint });
 */
export function readPlacementPlan(
  path: string,
  options: ReadArtifactOptions = {},
): Promise<PlacementPlan> {
  return withArtifact(path, PLACEMENT_PLAN_FORMAT, options, async (artifact, origin) => {
    requireLayerNames(artifact, origin.model.layers);
    const layers: LayerPlacement[] = [];
    for (const [layer, neurons] of origin.model.n_ff.entries()) {
      const order = await artifact.read(layerTensor(layer, 'order'), 'U32', [neurons]);
      const ends = await artifact.read(layerTensor(layer, 'tier_end'), 'U32', [2]);
      layers.push({ order, tierEnd: [ends[0] as number, ends[1] as number] });
    }
    const budgetBytes = getJson(artifact, 'budget_bytes', bytesPerTier);
    if (budgetBytes === undefined) throw corrupt(path, 'the metadata has no "budget_bytes"');
    const usedBytes = getJson(artifact, 'used_bytes', bytesPerTier);
    const dense = getJson(artifact, 'dense', denseSchema);
    const predicted = getJson(artifact, 'predicted', predictedSchema);
    const solution = getJson(artifact, 'solution', solutionSchema);
    const workload = getJson(artifact, 'workload', workloadSchema);
    const shadowPrices = getJson(artifact, 'shadow_prices', pricePerTier);
    const plan: PlacementPlan = {
      ...origin,
      layers,
      budgetBytes,
      ...(usedBytes && { usedBytes }),
      ...(dense && { dense }),
      ...(predicted && { predicted }),
      ...(solution && { solution }),
      ...(workload && { workload }),
      ...(shadowPrices && { shadowPrices }),
    };
    checkPlan(plan, refuseFile(path));
    return plan;
  });
}

function layerTensors({ order, tierEnd }: LayerPlacement, layer: number): TensorData[] {
  const ends = Uint32Array.from(tierEnd);
  return [
    { name: layerTensor(layer, 'order'), type: 'U32', shape: [order.length], data: order },
    { name: layerTensor(layer, 'tier_end'), type: 'U32', shape: [2], data: ends },
  ];
}

function checkPlan(plan: PlacementPlan, refuse: Refuse): void {
  const { model, layers, budgetBytes, usedBytes, dense } = plan;
  if (layers.length !== model.layers) refuse(`${layers.length} layers, the model ${model.layers}`);
  for (const [index, layer] of layers.entries()) {
    checkLayer(layer, model.n_ff[index] as number, (reason) => refuse(`layer ${index}: ${reason}`));
  }
  for (const name of TIERS) {
    if (usedBytes && usedBytes[name] > budgetBytes[name]) {
      refuse(`${usedBytes[name]} bytes used on ${name}, the budget is ${budgetBytes[name]}`);
    }
  }
  for (const part of ['attention', 'kvCache', 'predictors'] as const) {
    if (dense && dense[part].length !== model.layers) {
      refuse(`${part} is placed for ${dense[part].length} of ${model.layers} layers`);
    }
  }
}

function checkLayer({ order, tierEnd }: LayerPlacement, neurons: number, refuse: Refuse): void {
  const [gpuEnd, cpuEnd] = tierEnd;
  const whole = Number.isInteger(gpuEnd) && Number.isInteger(cpuEnd);
  if (!whole || gpuEnd < 0 || gpuEnd > cpuEnd || cpuEnd > neurons) {
    refuse(`the tiers end at ${gpuEnd} and ${cpuEnd} of ${neurons} neurons`);
  }
  if (order.length !== neurons) refuse(`the order has ${order.length} of ${neurons} neurons`);
  const seen = new Uint8Array(neurons);
  for (const neuron of order) {
    if (neuron >= neurons) refuse(`neuron ${neuron} of ${neurons} does not exist`);
    if (seen[neuron] === 1) refuse(`neuron ${neuron} is placed twice`);
    seen[neuron] = 1;
  }
}
