import type { Tier } from '@thermocline/contracts';
import type { LayerProblem, PlacementProblem, TierRate } from '../problem.js';
import { firingSums } from './problems.js';

/** What a problem of a model's shape is like. */
export interface SkewedShape {
  layers: number;
  neurons: number;
  seed: number;
  /** Budgets as parts of all bytes; without a part the machine lacks the tier. */
  budgets: { gpu: number; cpu: number; flash?: number };
}

/** Numbers in 0..1 that are the same for the same seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Layers whose firing rates fall off as a power, each more or less steeply, on a GPU of 1 TB/s, memory
 * of 60 GB/s and a drive of 1 GB/s. Dense parts take as much as a tenth of a layer's neurons.
 */
export function skewedProblem({ layers, neurons, seed, budgets }: SkewedShape): PlacementProblem {
  const random = randomNumbers(seed);
  const neuronBytes = 4096;
  const bandwidth = { gpu: 1e12, cpu: 60e9, flash: 1e9 };
  const rate = (tier: Tier): TierRate => ({
    perNeuron: 0,
    perFiring: neuronBytes / bandwidth[tier],
  });
  const dense = Math.round(neurons / 10) * neuronBytes;
  const list = Array.from({ length: layers }, (): LayerProblem => {
    const steepness = 0.6 + 0.8 * random();
    const rates = Array.from({ length: neurons }, (_, i) =>
      Math.min(1, (0.5 + random()) * (1 + i / 4) ** -steepness),
    );
    return {
      firing: firingSums(rates),
      neuronBytes,
      rates: {
        gpu: rate('gpu'),
        cpu: rate('cpu'),
        flash: budgets.flash === undefined ? null : rate('flash'),
      },
      dense: { bytes: dense, seconds: { gpu: dense / bandwidth.gpu, cpu: dense / bandwidth.cpu } },
      syncSeconds: 1e-7,
    };
  });
  const all = layers * (neurons * neuronBytes + dense) + dense;
  return {
    layers: list,
    head: { bytes: dense, seconds: { gpu: dense / bandwidth.gpu, cpu: dense / bandwidth.cpu } },
    budgetBytes: {
      gpu: Math.floor(budgets.gpu * all),
      cpu: Math.floor(budgets.cpu * all),
      flash: Math.floor((budgets.flash ?? 0) * all),
    },
  };
}
