import {
  type ActivationProfile,
  type CorpusSource,
  type DomainActivations,
  invalidOption,
  type Maker,
  PipelineError,
} from '@thermocline/contracts';
import manifest from '../package.json' with { type: 'json' };
import { mergeShards, runsOf } from './merge-shards.js';
import { toJson } from './profile-run.js';
import { addDomain, addLayer, emptyTally, type Tally } from './tally.js';

/** Where the counts of a profile without domains go, when it is merged with one that has them. */
export const UNNAMED_DOMAIN = 'unnamed';

export interface MergeOptions {
  /** What to call the profiles in errors, such as their paths. */
  names?: readonly string[];
  /** Merge even where two profiles counted the same text. */
  allowOverlap?: boolean;
}

/**
 * Adds profiles of one model up: shards of a run, or runs over different texts. All shards of a
 * run give what the run would have given alone: counts, histograms and sketches bit for bit, sums
 * up to rounding. As long as some are missing, the result says so in `shards` and can be merged
 * further.
 *
 * Domains unite by name; the counts of a profile without domains become the domain `unnamed`
 * when another one has some. Sources of two profiles with the same name and hash become one. What
 * only some profiles have, such as co-activation, is left out.
 *
 * @throws PipelineError `ARTIFACT_MODEL_MISMATCH` for profiles of different models;
 * `INVALID_ARGUMENT` when they counted firings above different thresholds, hold the same shard or
 * run twice, shards of one run that was cut in different ways, or the same text twice
 *
 * @example
 * const profile = mergeProfiles([first, second], { names: ['a.safetensors', 'b.safetensors'] });
 */
export function mergeProfiles(
  profiles: readonly ActivationProfile[],
  options: MergeOptions = {},
): ActivationProfile {
  const [first] = profiles;
  if (first === undefined) throw invalidOption('profiles', 'must hold at least one');
  const names = profiles.map((_, i) => options.names?.[i] ?? `profile ${i + 1}`);
  for (const [i, profile] of profiles.entries()) {
    requireSameModel(first, profile, names[i] as string);
    requireSameThresholds(first, profile, names[0] as string, names[i] as string);
  }
  const shards = mergeShards(profiles, names, options.allowOverlap ?? false);
  const { layers, domains } = addUp(profiles);
  for (const [i, layer] of layers.entries()) {
    const threshold = first.layers[i]?.threshold;
    if (threshold !== undefined) layer.threshold = threshold;
  }
  const madeBy = mergeMakers(profiles);
  return {
    fingerprint: first.fingerprint,
    model: first.model,
    corpora: mergeCorpora(profiles),
    ...(madeBy && { madeBy }),
    layers,
    ...(domains.length > 0 && { domains }),
    ...(shards.length > 0 && { shards }),
  };
}

function addUp(profiles: readonly ActivationProfile[]): Tally {
  const domainsOf = namedDomains(profiles);
  const names = [...new Set(profiles.flatMap((profile) => domainsOf(profile)).map((d) => d.name))];
  const tally = emptyTally((profiles[0] as ActivationProfile).model, names);
  for (const profile of profiles) {
    for (const [i, layer] of profile.layers.entries()) {
      addLayer(tally.layers[i] as Tally['layers'][number], layer);
    }
    for (const domain of domainsOf(profile)) {
      addDomain(tally.domains[names.indexOf(domain.name)] as DomainActivations, domain);
    }
  }
  return tally;
}

/** The domains of a profile; all it counted as one domain if only others have them. */
function namedDomains(
  profiles: readonly ActivationProfile[],
): (profile: ActivationProfile) => DomainActivations[] {
  if (profiles.every(({ domains }) => domains === undefined)) return () => [];
  return ({ domains, layers }) => {
    if (domains) return domains;
    const tokens = layers.map((layer) => layer.tokens);
    return [{ name: UNNAMED_DOMAIN, tokens, fires: layers.map(({ fires }) => fires) }];
  };
}

function mergeCorpora(profiles: readonly ActivationProfile[]): CorpusSource[] {
  const merged = new Map<string, CorpusSource>();
  for (const { corpora } of profiles) {
    // A run may name one source twice, for two domains: its shards list it twice too, in the same
    // order, and the first goes to the first.
    const named = new Map<string, number>();
    for (const source of corpora) {
      const name = toJson([source.name, source.sha256]);
      const before = named.get(name) ?? 0;
      named.set(name, before + 1);
      const key = toJson([name, before]);
      const tokens = (merged.get(key)?.tokens ?? 0) + source.tokens;
      merged.set(key, { ...source, tokens });
    }
  }
  return [...merged.values()];
}

/** Shards of one run were made alike; otherwise all ways in which the parts were made are listed. */
function mergeMakers(profiles: readonly ActivationProfile[]): Maker | undefined {
  const makers = profiles.flatMap(({ madeBy }) => madeBy ?? []);
  const parts = makers.flatMap((maker) => (maker.options['parts'] as Maker[] | undefined) ?? maker);
  const different = [...new Map(parts.map((maker) => [toJson(maker), maker])).values()];
  if (different.length <= 1) return different[0];
  const runs = [...new Set(profiles.flatMap(runsOf))];
  const { name: tool, version } = manifest;
  return { tool, version, options: { parts: different, runs } };
}

function requireSameModel(
  first: ActivationProfile,
  profile: ActivationProfile,
  name: string,
): void {
  const [expected, found] = [first.fingerprint, profile.fingerprint];
  if (expected !== found) {
    const message = `${name}: made for the model ${found}, the others for ${expected}. Merge profiles of one model.`;
    throw new PipelineError('ARTIFACT_MODEL_MISMATCH', message, { path: name, expected, found });
  }
  if (toJson(first.model.n_ff) === toJson(profile.model.n_ff)) return;
  throw invalidOption('profiles', `do not fit: ${name} has other numbers of neurons by layer`);
}

function requireSameThresholds(
  first: ActivationProfile,
  profile: ActivationProfile,
  firstName: string,
  name: string,
): void {
  for (const [i, { threshold }] of profile.layers.entries()) {
    const other = first.layers[i]?.threshold;
    if (threshold === other) continue;
    const above = (value: number | undefined) => `above ${value ?? 'zero'}`;
    throw invalidOption(
      'profiles',
      `counted different things: in layer ${i} a neuron fires ${above(other)} in ${firstName} and ${above(threshold)} in ${name}; count again with the same thresholds`,
    );
  }
}
