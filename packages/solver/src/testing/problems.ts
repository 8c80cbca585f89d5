import { TIERS, type Tier } from '@thermocline/contracts';
import * as fc from 'fast-check';
import { usedBytes } from '../evaluate-choice.js';
import type { DenseTier, LayerProblem, PlacementChoice, PlacementProblem } from '../problem.js';
import { randomNumbers } from './shapes.js';

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

/** A problem whose budgets are what a random choice takes and, if anything, little more. */
export function exactProblem(seed: number): { problem: PlacementProblem; known: PlacementChoice } {
  const next = randomNumbers(seed);
  const within = (min: number, max: number) => min + next(max - min + 1);
  const part = (most: number) => next(1e6) * (most / 1e6);
  const flash = within(0, 9) < 6;
  const same = within(0, 9) < 6 ? 16 * within(1, 40) : 0;
  const tier = (most: number) => ({ perNeuron: part(most), perFiring: part(2 * most) });
  const rates = { gpu: tier(1), cpu: tier(3), flash: flash ? tier(20) : null };
  const layers = Array.from({ length: within(2, 6) }, (): LayerProblem => {
    const neurons = flash ? within(150, 400) : within(800, 3000);
    const neuronBytes = same || 16 * within(1, 40);
    return {
      firing: firingSums(Array.from({ length: neurons }, () => part(1) ** 3)),
      neuronBytes,
      rates,
      dense: {
        bytes: within(1, Math.floor((neurons * neuronBytes) / 2)),
        seconds: { gpu: part(50), cpu: part(200) },
      },
      syncSeconds: part(20),
    };
  });
  const head = { bytes: within(1, 20_000), seconds: { gpu: part(1), cpu: part(3) } };
  const known: PlacementChoice = { dense: [], head: 'cpu', gpu: [], cpu: [] };
  if (within(0, 1) === 0) known.head = 'gpu';
  for (const { firing } of layers) {
    const neurons = firing.length - 1;
    const gpu = within(0, neurons);
    known.dense.push(within(0, 1) === 0 ? 'gpu' : 'cpu');
    known.gpu.push(gpu);
    known.cpu.push(flash ? within(0, neurons - gpu) : neurons - gpu);
  }
  const budgetBytes = usedBytes({ layers, head, budgetBytes: { gpu: 0, cpu: 0, flash: 0 } }, known);
  for (const tier of TIERS) {
    if (tier !== 'flash' || flash) budgetBytes[tier] += within(0, 1) * within(0, 3000);
  }
  return { problem: { layers, head, budgetBytes }, known };
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
