import type { Tier } from '@thermocline/contracts';

/**
 * What a tier needs for its neurons of a layer: k of them that fire S times per token together
 * (the sum of their firing rates) take k · perNeuron + S · perFiring seconds.
 */
export interface TierRate {
  /** For what is read whether or not a neuron fires, such as gate rows in `exact` mode. */
  perNeuron: number;
  /** For what is read only when it fires. */
  perFiring: number;
}

/** Memory that can hold what is not a neuron. */
export type DenseTier = 'gpu' | 'cpu';

/** Something that lives whole on one tier and is read for every token. */
export interface DensePart {
  bytes: number;
  /** Seconds per token by tier; `null` where the machine has no such tier. */
  seconds: { gpu: number | null; cpu: number };
}

/** One layer: its neurons, hottest first, and its dense part. */
export interface LayerProblem {
  /** Sums of the firing rates of the first k neurons. [neurons + 1], from 0, concave */
  firing: Float64Array;
  /** Memory that one neuron takes. */
  neuronBytes: number;
  /** `null`: the machine has no such tier. */
  rates: Record<Tier, TierRate | null>;
  /** Attention with its KV cache, and the predictor. */
  dense: DensePart;
  /** Paid when the layer has work on the GPU and on another tier. */
  syncSeconds: number;
}

/**
 * Places neurons so that a token takes least time: minimise the sum over layers of
 * dense + max(T_gpu, T_cpu, T_flash) + sync, and the head, such that every tier's bytes stay
 * within its budget. The tiers of a layer work at the same time, layers one after another.
 * In each layer the first neurons are on the GPU, the next in memory, the rest on flash.
 */
export interface PlacementProblem {
  layers: LayerProblem[];
  head: DensePart;
  /** What is left of each budget after embeddings, scratch and staging. */
  budgetBytes: Record<Tier, number>;
}

/** An answer to a `PlacementProblem`. */
export interface PlacementChoice {
  /** [layers] */
  dense: DenseTier[];
  head: DenseTier;
  /** Neurons on the GPU, and in memory. [layers] */
  gpu: number[];
  cpu: number[];
}

/** A choice, and how good it is known to be. */
export interface ProblemSolution {
  choice: PlacementChoice;
  /** Seconds per token for `latency`, firings per token on the GPU for `impact`. */
  value: number;
  /** No choice whatever, prefix or not, can be better. */
  bound: number;
  /** |value − bound| ÷ |value| */
  gap: number;
  /** How much `value` would improve by one more byte of a tier. */
  shadowPrices: Record<Tier, number>;
}
