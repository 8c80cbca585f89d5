import { TIERS, type Tier } from '@thermocline/contracts';
import type {
  DensePart,
  DenseTier,
  LayerProblem,
  PlacementChoice,
  PlacementProblem,
} from './problem.js';

/** Seconds per token of one layer. Its tiers work at the same time, after the dense part. */
export interface LayerSeconds {
  dense: number;
  gpu: number;
  cpu: number;
  flash: number;
  sync: number;
  /** dense + the longest of gpu, cpu and flash + sync */
  total: number;
}

/** What a choice costs. */
export interface ChoiceCost {
  /** Seconds per token: all layers and the head. */
  seconds: number;
  head: number;
  /** [layers] */
  layers: LayerSeconds[];
  usedBytes: Record<Tier, number>;
}

/**
 * Seconds per token and bytes by tier of a choice, whether or not it keeps within the budgets.
 * Work on a tier that the machine lacks takes infinitely long.
 *
 * @example
 * const { seconds, usedBytes } = evaluateChoice(problem, solution.choice);
 */
export function evaluateChoice(problem: PlacementProblem, choice: PlacementChoice): ChoiceCost {
  const layers = problem.layers.map((layer, index) =>
    layerSeconds(
      layer,
      choice.dense[index] as DenseTier,
      choice.gpu[index] as number,
      choice.cpu[index] as number,
    ),
  );
  const head = denseSeconds(problem.head, choice.head);
  let seconds = head;
  for (const { total } of layers) seconds += total;
  return { seconds, head, layers, usedBytes: usedBytes(problem, choice) };
}

/** Times of a layer whose first `gpu` neurons are on the GPU, the next `cpu` in memory. */
export function layerSeconds(
  layer: LayerProblem,
  denseTier: DenseTier,
  gpu: number,
  cpu: number,
): LayerSeconds {
  const neurons = layer.firing.length - 1;
  const dense = denseSeconds(layer.dense, denseTier);
  const onGpu = rangeSeconds(layer, 'gpu', 0, gpu);
  const onCpu = rangeSeconds(layer, 'cpu', gpu, gpu + cpu);
  const onFlash = rangeSeconds(layer, 'flash', gpu + cpu, neurons);
  const sync = needsSync(denseTier, gpu, neurons) ? layer.syncSeconds : 0;
  const total = dense + Math.max(onGpu, onCpu, onFlash) + sync;
  return { dense, gpu: onGpu, cpu: onCpu, flash: onFlash, sync, total };
}

/** Whether a layer has work on the GPU and elsewhere; its dense part is work. */
function needsSync(dense: DenseTier, gpu: number, neurons: number): boolean {
  return dense === 'gpu' ? gpu < neurons : gpu > 0;
}

/** Seconds of `tier` for the neurons at positions begin..end. */
function rangeSeconds(layer: LayerProblem, tier: Tier, begin: number, end: number): number {
  if (end <= begin) return 0;
  const rate = layer.rates[tier];
  if (rate === null) return Number.POSITIVE_INFINITY;
  const firings = (layer.firing[end] as number) - (layer.firing[begin] as number);
  return (end - begin) * rate.perNeuron + firings * rate.perFiring;
}

/** Seconds of a dense part; infinite on a tier that the machine lacks. */
export function denseSeconds(part: DensePart, tier: DenseTier): number {
  return part.seconds[tier] ?? Number.POSITIVE_INFINITY;
}

/** Bytes that a choice takes of each tier. */
export function usedBytes(
  problem: PlacementProblem,
  choice: PlacementChoice,
): Record<Tier, number> {
  const used = { gpu: 0, cpu: 0, flash: 0 };
  used[choice.head] += problem.head.bytes;
  for (const [index, { firing, neuronBytes, dense }] of problem.layers.entries()) {
    const gpu = choice.gpu[index] as number;
    const cpu = choice.cpu[index] as number;
    used[choice.dense[index] as DenseTier] += dense.bytes;
    used.gpu += gpu * neuronBytes;
    used.cpu += cpu * neuronBytes;
    used.flash += (firing.length - 1 - gpu - cpu) * neuronBytes;
  }
  return used;
}

/**
 * The first constraint of the problem that a choice breaks, with its numbers; `null` if it keeps
 * them all, the budgets to the byte.
 */
export function checkChoice(problem: PlacementProblem, choice: PlacementChoice): string | null {
  const { layers, head, budgetBytes } = problem;
  for (const list of [choice.dense, choice.gpu, choice.cpu])
    if (list.length !== layers.length) return `${list.length} entries for ${layers.length} layers`;
  for (const [index, layer] of layers.entries()) {
    const fault = layerFault(layer, choice, index);
    if (fault !== null) return `layer ${index}: ${fault}`;
  }
  if (head.seconds[choice.head] === null) return `the head is on a missing ${choice.head}`;
  const used = usedBytes(problem, choice);
  for (const tier of TIERS)
    if (used[tier] > budgetBytes[tier])
      return `${used[tier]} bytes on ${tier}, where ${budgetBytes[tier]} may be used`;
  return null;
}

function layerFault(layer: LayerProblem, choice: PlacementChoice, index: number): string | null {
  const neurons = layer.firing.length - 1;
  const [gpu, cpu] = [choice.gpu[index] as number, choice.cpu[index] as number];
  const counts = { gpu, cpu, flash: neurons - gpu - cpu };
  for (const tier of TIERS) {
    if (!Number.isInteger(counts[tier]) || counts[tier] < 0)
      return `${counts[tier]} of ${neurons} neurons on ${tier}`;
    if (counts[tier] > 0 && layer.rates[tier] === null) return `neurons on a missing ${tier}`;
  }
  const dense = choice.dense[index] as DenseTier;
  return layer.dense.seconds[dense] === null ? `its dense part on a missing ${dense}` : null;
}
