import { TIERS, type Tier } from '@thermocline/contracts';
import type { DenseReads, ProblemSetup } from './build-problem.js';
import { denseSeconds } from './evaluate-choice.js';
import { neuronMatrixBytes } from './memory-model.js';
import type { DenseTier, LayerProblem, PlacementChoice } from './problem.js';

/** Neurons of one layer on one tier, and how many of them fire per token. */
export interface TierShare {
  neurons: number;
  firing: number;
}

/** A placement in sums, whatever order the neurons are in. */
export interface Placed {
  /** [layers] */
  dense: readonly DenseTier[];
  head: DenseTier;
  /** [layers] */
  shares: readonly Record<Tier, TierShare>[];
}

/** Seconds per token of one layer. The tiers work at the same time. */
export interface LayerTime {
  dense: number;
  ffn: Record<Tier, number>;
  sync: number;
  total: number;
}

/** What a tier holds. */
export type TierUse =
  | 'attention'
  | 'embeddings'
  | 'head'
  | 'kv'
  | 'neurons'
  | 'predictors'
  | 'scratch'
  | 'staging';

/** What a placement takes and costs. */
export interface PlacementFigures {
  /** Bytes by tier and use; what is 0 is left out. */
  uses: Record<Tier, Partial<Record<TierUse, number>>>;
  usedBytes: Record<Tier, number>;
  /** [layers] */
  layers: LayerTime[];
  head: number;
  /** Expected time of one token in seconds, … */
  secondsPerToken: number;
  /** … and its parts, which add up to it. */
  parts: { name: string; seconds: number }[];
}

/** The sums of a choice, whose tiers are runs of the neurons sorted by firing rate. */
export function placedByChoice({ problem }: ProblemSetup, choice: PlacementChoice): Placed {
  const shares = problem.layers.map(({ firing }, layer) => {
    const gpuEnd = choice.gpu[layer] as number;
    const cpuEnd = gpuEnd + (choice.cpu[layer] as number);
    const share = (begin: number, end: number): TierShare => ({
      neurons: end - begin,
      firing: (firing[end] as number) - (firing[begin] as number),
    });
    const flash = share(cpuEnd, firing.length - 1);
    return { gpu: share(0, gpuEnd), cpu: share(gpuEnd, cpuEnd), flash };
  });
  return { dense: choice.dense, head: choice.head, shares };
}

/** Bytes and times of a placement, as the model of the problem has them. */
export function placementFigures(setup: ProblemSetup, placed: Placed): PlacementFigures {
  const uses = usesOf(setup, placed);
  const layers = setup.problem.layers.map((layer, index) =>
    layerTime(layer, placed.dense[index] as DenseTier, placed.shares[index] as never),
  );
  const head = denseSeconds(setup.problem.head, placed.head);
  const parts = timeParts(setup, layers, head);
  return {
    uses,
    usedBytes: byTier((tier) => sum(Object.values(uses[tier]))),
    layers,
    head,
    secondsPerToken: sum(parts.map(({ seconds }) => seconds)),
    parts,
  };
}

function layerTime(
  layer: LayerProblem,
  denseTier: DenseTier,
  shares: Record<Tier, TierShare>,
): LayerTime {
  const ffn = byTier((tier) => {
    const { neurons, firing } = shares[tier];
    const rate = layer.rates[tier];
    return neurons === 0 || rate === null ? 0 : neurons * rate.perNeuron + firing * rate.perFiring;
  });
  const gpu = denseTier === 'gpu' || shares.gpu.neurons > 0;
  const others = denseTier === 'cpu' || shares.cpu.neurons > 0 || shares.flash.neurons > 0;
  const dense = denseSeconds(layer.dense, denseTier);
  const sync = gpu && others ? layer.syncSeconds : 0;
  return { dense, ffn, sync, total: dense + Math.max(ffn.gpu, ffn.cpu, ffn.flash) + sync };
}

function timeParts(
  { denseReads }: ProblemSetup,
  layers: readonly LayerTime[],
  head: number,
): { name: string; seconds: number }[] {
  const dense = (use: keyof DenseReads) =>
    sum(
      layers.map((time, layer) => {
        const reads = denseReads[layer] as DenseReads;
        const total = reads.attention + reads.kv + reads.predictors;
        return (time.dense * reads[use]) / total;
      }),
    );
  return [
    { name: 'attention', seconds: dense('attention') },
    { name: 'kv', seconds: dense('kv') },
    { name: 'predictors', seconds: dense('predictors') },
    { name: 'ffn', seconds: sum(layers.map(({ ffn }) => Math.max(ffn.gpu, ffn.cpu, ffn.flash))) },
    { name: 'sync', seconds: sum(layers.map(({ sync }) => sync)) },
    { name: 'head', seconds: head },
  ];
}

function usesOf(setup: ProblemSetup, placed: Placed): PlacementFigures['uses'] {
  const { model, memory, denseReads } = setup;
  const uses: PlacementFigures['uses'] = { gpu: {}, cpu: {}, flash: {} };
  const add = (tier: Tier, use: TierUse, bytes: number) => {
    if (bytes > 0) uses[tier][use] = (uses[tier][use] ?? 0) + bytes;
  };
  for (const [layer, tier] of placed.dense.entries()) {
    add(tier, 'attention', memory.attention + memory.vectors);
    add(tier, 'kv', memory.kv);
    add(tier, 'predictors', (denseReads[layer] as DenseReads).predictors);
    const shares = placed.shares[layer] as Record<Tier, TierShare>;
    for (const tier of ['gpu', 'cpu'] as const) {
      const count = shares[tier].neurons;
      add(tier, 'neurons', neuronMatrixBytes(memory.neuron, count, model.experts));
    }
    add('flash', 'neurons', shares.flash.neurons * memory.neuron.bundle);
  }
  add(embeddingsTier(setup, placed.head), 'embeddings', memory.embeddings);
  if (!model.tied) add(placed.head, 'head', memory.head);
  add('cpu', 'scratch', memory.scratch);
  if (Object.keys(uses.gpu).length > 0) add('gpu', 'scratch', memory.scratch);
  if (uses.flash.neurons) add('cpu', 'staging', memory.staging);
  return uses;
}

/** A tied table lives where the head does, one of its own in memory. */
export function embeddingsTier({ model }: ProblemSetup, head: DenseTier): DenseTier {
  return model.tied ? head : 'cpu';
}

/** A value for each tier. */
export function byTier<T>(value: (tier: Tier) => T): Record<Tier, T> {
  return Object.fromEntries(TIERS.map((tier) => [tier, value(tier)])) as Record<Tier, T>;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
