import {
  type ActivationSums,
  type DomainActivations,
  type LayerActivations,
  type ModelInfo,
  mergeSketches,
} from '@thermocline/contracts';

/** What has been counted so far: the arrays of a profile, over all domains and apart. */
export interface Tally {
  layers: LayerActivations[];
  /** Empty where domains are not counted apart. */
  domains: DomainActivations[];
}

/** A tally of nothing. */
export function emptyTally(model: ModelInfo, domains: readonly string[]): Tally {
  const zeros = () => model.n_ff.map((neurons) => new BigInt64Array(neurons));
  return {
    layers: zeros().map((fires) => ({ tokens: 0, fires })),
    domains: domains.map((name) => ({ name, tokens: model.n_ff.map(() => 0), fires: zeros() })),
  };
}

/** Adds what a source summed over windows of one domain. */
export function addSums(tally: Tally, domain: number, sums: ActivationSums): void {
  const { tokens, fires, absSum, contribution, magnitudes, coactivation } = sums;
  const apart = tally.domains[domain];
  if (apart) addDomain(apart, { tokens, fires });
  for (const [index, layer] of tally.layers.entries()) {
    addLayer(layer, {
      tokens: tokens[index] as number,
      fires: fires[index] as BigInt64Array,
      absSum: absSum[index] as Float64Array,
      ...(contribution && { contribution: contribution[index] as Float64Array }),
      ...(magnitudes && { magnitudes: magnitudes[index] as BigInt64Array }),
      ...(coactivation && { coactivation: coactivation[index] as Uint32Array }),
    });
  }
}

/** Adds another tally of the same model and domains. */
export function addTally(into: Tally, from: Tally): void {
  for (const [index, layer] of into.layers.entries()) {
    addLayer(layer, from.layers[index] as LayerActivations);
  }
  for (const [index, domain] of into.domains.entries()) {
    addDomain(domain, from.domains[index] as DomainActivations);
  }
}

/**
 * Adds the counts of a layer. An optional array stays only where both have it; a layer that saw
 * no tokens gets those of the other, as nothing is missing from it.
 */
export function addLayer(into: LayerActivations, from: LayerActivations): void {
  if (from.tokens === 0) return;
  const first = into.tokens === 0;
  into.tokens += from.tokens;
  addCounts(into.fires, from.fires);
  unite(into, from, 'absSum', first, addFloats);
  unite(into, from, 'contribution', first, addFloats);
  unite(into, from, 'magnitudes', first, addCounts);
  unite(into, from, 'coactivation', first, mergeSketches);
}

/** Adds the counts of a domain. */
export function addDomain(
  into: Pick<DomainActivations, 'tokens' | 'fires'>,
  from: Pick<DomainActivations, 'tokens' | 'fires'>,
): void {
  for (const [layer, fires] of into.fires.entries()) {
    into.tokens[layer] = (into.tokens[layer] as number) + (from.tokens[layer] as number);
    addCounts(fires, from.fires[layer] as BigInt64Array);
  }
}

type OptionalArrays = Required<
  Pick<LayerActivations, 'absSum' | 'contribution' | 'magnitudes' | 'coactivation'>
>;

function unite<K extends keyof OptionalArrays>(
  into: Partial<OptionalArrays>,
  from: Partial<OptionalArrays>,
  key: K,
  first: boolean,
  add: (into: OptionalArrays[K], from: OptionalArrays[K]) => void,
): void {
  const mine: OptionalArrays[K] | undefined = into[key];
  const other: OptionalArrays[K] | undefined = from[key];
  if (first && other) into[key] = other.slice() as OptionalArrays[K];
  else if (mine && other) add(mine, other);
  else delete into[key];
}

function addCounts(into: BigInt64Array, from: BigInt64Array): void {
  for (let i = 0; i < into.length; i++) into[i] = (into[i] as bigint) + (from[i] as bigint);
}

function addFloats(into: Float64Array, from: Float64Array): void {
  for (let i = 0; i < into.length; i++) into[i] = (into[i] as number) + (from[i] as number);
}
