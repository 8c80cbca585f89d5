import {
  type ActivationProfile,
  type DomainActivations,
  MAGNITUDE_BINS,
  type Shard,
} from './activation-profile.js';
import type { Refuse } from './artifact-layers.js';
import { SKETCH_EMPTY, SKETCH_HASHES } from './coactivation.js';

/** Refuses a profile that contradicts itself. */
export function checkProfile(profile: ActivationProfile, refuse: Refuse): void {
  const { model, layers, domains, shards } = profile;
  if (layers.length !== model.layers) refuse(`${layers.length} layers, the model ${model.layers}`);
  for (const [index, layer] of layers.entries()) {
    const neurons = model.n_ff[index] as number;
    const here = (reason: string) => refuse(`layer ${index}: ${reason}`);
    if (!Number.isSafeInteger(layer.tokens) || layer.tokens < 0) {
      here(`${layer.tokens} is no number of tokens`);
    }
    if (layer.fires.length !== neurons) here(`${layer.fires.length} of ${neurons} neurons`);
    const limit = BigInt(layer.tokens);
    const impossible = layer.fires.findIndex((count) => count < 0n || count > limit);
    if (impossible >= 0) {
      here(`neuron ${impossible} fired ${layer.fires[impossible]} times in ${limit} tokens`);
    }
    checkSums('abs_sum', layer.absSum, neurons, here);
    checkSums('contribution', layer.contribution, neurons, here);
    checkMagnitudes(layer.magnitudes, here);
    checkThreshold(layer.threshold, here);
    checkSketches(layer.coactivation, neurons, here);
  }
  if (domains) checkDomains(profile, domains, refuse);
  if (shards) checkShards(shards, refuse);
}

function checkSums(name: string, sums: Float64Array | undefined, neurons: number, refuse: Refuse) {
  if (sums === undefined) return;
  if (sums.length !== neurons) refuse(`${name} has ${sums.length} of ${neurons} neurons`);
  const wrong = sums.findIndex((sum) => !(sum >= 0 && sum < Number.POSITIVE_INFINITY));
  if (wrong >= 0) refuse(`${name} of neuron ${wrong} is ${sums[wrong]}`);
}

function checkMagnitudes(magnitudes: BigInt64Array | undefined, refuse: Refuse): void {
  if (magnitudes === undefined) return;
  if (magnitudes.length !== MAGNITUDE_BINS) refuse(`magnitudes has ${magnitudes.length} bins`);
  if (magnitudes.some((count) => count < 0n)) refuse('magnitudes has a negative count');
}

function checkThreshold(threshold: number | undefined, refuse: Refuse): void {
  if (threshold === undefined) return;
  if (!(threshold >= 0 && threshold < Number.POSITIVE_INFINITY)) refuse(`threshold ${threshold}`);
}

function checkSketches(sketches: Uint32Array | undefined, neurons: number, refuse: Refuse): void {
  if (sketches === undefined) return;
  if (sketches.length !== neurons * SKETCH_HASHES) {
    refuse(`coactivation has ${sketches.length} hashes for ${neurons} neurons`);
  }
  for (let i = 1; i < sketches.length; i++) {
    if (i % SKETCH_HASHES === 0 || sketches[i] === SKETCH_EMPTY) continue;
    if ((sketches[i] as number) <= (sketches[i - 1] as number)) {
      refuse(`the coactivation hashes of neuron ${Math.floor(i / SKETCH_HASHES)} do not ascend`);
    }
  }
}

function checkDomains(
  { model, layers }: ActivationProfile,
  domains: readonly DomainActivations[],
  refuse: Refuse,
): void {
  const names = domains.map(({ name }) => name);
  if (new Set(names).size !== names.length) refuse(`two domains have one name: ${names.join()}`);
  for (const { name, tokens, fires } of domains) {
    const complete = tokens.length === model.layers && fires.length === model.layers;
    if (!complete) refuse(`the domain "${name}" has ${fires.length} of ${model.layers} layers`);
    const wrong = fires.findIndex((counts, layer) => counts.length !== model.n_ff[layer]);
    if (wrong >= 0) refuse(`the domain "${name}" has another number of neurons in layer ${wrong}`);
  }
  for (const [index, layer] of layers.entries()) {
    const tokens = domains.reduce((sum, domain) => sum + (domain.tokens[index] as number), 0);
    if (tokens !== layer.tokens) {
      refuse(`layer ${index}: the domains have ${tokens} tokens, together ${layer.tokens}`);
    }
    for (const [neuron, count] of layer.fires.entries()) {
      let sum = 0n;
      for (const { fires } of domains) {
        const part = fires[index]?.[neuron] as bigint;
        if (part < 0n) refuse(`layer ${index}: a domain has a negative count`);
        sum += part;
      }
      if (sum !== count) {
        refuse(`layer ${index}: neuron ${neuron} fired ${sum} times in the domains, not ${count}`);
      }
    }
  }
}

function checkShards(shards: readonly Shard[], refuse: Refuse): void {
  const seen = new Set<string>();
  for (const { run, index, count } of shards) {
    if (index >= count) refuse(`shard ${index} of ${count} does not exist`);
    const key = `${index}/${count} of ${run}`;
    if (seen.has(key)) refuse(`shard ${key} is in it twice`);
    seen.add(key);
  }
}
