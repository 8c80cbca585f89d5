import { TIERS, type Tier } from '@thermocline/contracts';
import * as fc from 'fast-check';
import type { DenseTier, LayerProblem, PlacementProblem } from '../problem.js';

/** Problems with every tier or some missing, tight budgets and ample ones, rates of all shapes. */
export function smallProblem(most: {
  layers: number;
  neurons: number;
}): fc.Arbitrary<PlacementProblem> {
  const shape = fc.record({
    gpu: fc.boolean(),
    flash: fc.boolean(),
    layers: fc.integer({ min: 1, max: most.layers }),
    // Of what everything takes together.
    budgets: fc.record({ gpu: share(0.1, 1.2), cpu: share(0.2, 1.2), flash: share(0.3, 2) }),
    endless: fc.boolean(),
  });
  return shape.chain(({ gpu, flash, layers, budgets, endless }) =>
    fc
      .record({
        layers: fc.array(smallLayer(most.neurons, { gpu, cpu: true, flash }), {
          minLength: layers,
          maxLength: layers,
        }),
        head: densePart(gpu),
      })
      .map(({ layers, head }) => {
        let all = head.bytes;
        for (const { firing, neuronBytes, dense } of layers)
          all += dense.bytes + (firing.length - 1) * neuronBytes;
        const budgetBytes = {
          gpu: gpu ? Math.round(budgets.gpu * all) : 0,
          cpu: Math.round(budgets.cpu * all),
          flash: flash ? (endless ? Number.POSITIVE_INFINITY : Math.round(budgets.flash * all)) : 0,
        };
        return { layers, head, budgetBytes };
      }),
  );
}

function smallLayer(neurons: number, has: Record<Tier, boolean>): fc.Arbitrary<LayerProblem> {
  const rate = fc.record({ perNeuron: fc.constantFrom(0, 0.1, 1), perFiring: share(0.5, 2) });
  return fc
    .record({
      rates: fc.array(firingRate(), { minLength: 1, maxLength: neurons }),
      neuronBytes: fc.integer({ min: 1, max: 9 }),
      // From a GPU ten times as fast as memory to one that is slower.
      tiers: fc.record({ gpu: rate, cpu: rate, flash: rate }),
      slowness: fc.record({ cpu: fc.constantFrom(0.5, 1, 10), flash: fc.constantFrom(1, 20) }),
      dense: densePart(has.gpu),
      syncSeconds: fc.constantFrom(0, 0.2, 3),
    })
    .map(({ rates, neuronBytes, tiers, slowness, dense, syncSeconds }) => {
      const times = { gpu: 1, cpu: slowness.cpu, flash: slowness.cpu * slowness.flash };
      const scaled = (tier: Tier) =>
        has[tier]
          ? {
              perNeuron: tiers[tier].perNeuron * times[tier],
              perFiring: tiers[tier].perFiring * times[tier],
            }
          : null;
      return {
        firing: firingSums(rates),
        neuronBytes,
        rates: { gpu: scaled('gpu'), cpu: scaled('cpu'), flash: scaled('flash') },
        dense,
        syncSeconds,
      };
    });
}

/** Sums of rates, hottest first. */
export function firingSums(rates: readonly number[]): Float64Array {
  const sums = new Float64Array(rates.length + 1);
  const sorted = [...rates].sort((a, b) => b - a);
  for (const [index, rate] of sorted.entries()) sums[index + 1] = (sums[index] as number) + rate;
  return sums;
}

function firingRate(): fc.Arbitrary<number> {
  return fc.oneof(fc.constantFrom(0, 0.25, 1), share(0, 1));
}

function densePart(gpu: boolean): fc.Arbitrary<LayerProblem['dense']> {
  return fc
    .record({ bytes: fc.integer({ min: 0, max: 20 }), cpu: share(0, 4), faster: share(0.5, 10) })
    .map(({ bytes, cpu, faster }) => ({ bytes, seconds: { gpu: gpu ? cpu / faster : null, cpu } }));
}

function share(min: number, max: number): fc.Arbitrary<number> {
  return fc.integer({ min: min * 1000, max: max * 1000 }).map((value) => value / 1000);
}

/** Seconds and bytes of a layer for every tier of its dense part and every one of each neuron. */
export function* timesOf(
  layer: LayerProblem,
): Generator<{ seconds: number; bytes: Record<Tier, number> }> {
  const neurons = layer.firing.length - 1;
  const present = TIERS.filter((tier) => layer.rates[tier] !== null);
  const places: Tier[] = [];
  for (const dense of ['gpu', 'cpu'] as const) {
    if (layer.dense.seconds[dense] === null) continue;
    for (let code = 0; code < present.length ** neurons; code++) {
      for (let i = 0, rest = code; i < neurons; i++, rest = Math.floor(rest / present.length))
        places[i] = present[rest % present.length] as Tier;
      yield timeOf(layer, dense, places);
    }
  }
}

function timeOf(layer: LayerProblem, dense: DenseTier, places: readonly Tier[]) {
  const seconds = { gpu: 0, cpu: 0, flash: 0 };
  const bytes = { gpu: 0, cpu: 0, flash: 0 };
  for (const [index, tier] of places.entries()) {
    const rate = (layer.firing[index + 1] as number) - (layer.firing[index] as number);
    const { perNeuron, perFiring } = layer.rates[tier] ?? { perNeuron: 0, perFiring: 0 };
    seconds[tier] += perNeuron + rate * perFiring;
    bytes[tier] += layer.neuronBytes;
  }
  const onGpu = places.filter((tier) => tier === 'gpu').length;
  const needsSync = dense === 'gpu' ? onGpu < places.length : onGpu > 0;
  bytes[dense] += layer.dense.bytes;
  const longest = Math.max(seconds.gpu, seconds.cpu, seconds.flash);
  const total =
    (layer.dense.seconds[dense] as number) + longest + (needsSync ? layer.syncSeconds : 0);
  return { seconds: total, bytes };
}
