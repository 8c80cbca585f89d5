import { type ActivationProfile, invalidOption, type Shard } from '@thermocline/contracts';

/** The runs a profile holds, whole or in part. */
export function runsOf({ madeBy, shards = [] }: ActivationProfile): string[] {
  const runs = madeBy?.options['runs'];
  const named = Array.isArray(runs) ? runs.filter((run) => typeof run === 'string') : [];
  return [...new Set([...named, ...shards.map(({ run }) => run)])];
}

/**
 * The shards of profiles that are merged, without those of runs that are complete now.
 *
 * @throws PipelineError `INVALID_ARGUMENT` when something would be counted twice
 */
export function mergeShards(
  profiles: readonly ActivationProfile[],
  names: readonly string[],
  allowOverlap: boolean,
): Shard[] {
  for (const [j, second] of profiles.entries()) {
    for (const [i, first] of profiles.slice(0, j).entries()) {
      const pair = `${names[i]} and ${names[j]}`;
      requireApart(first, second, pair);
      if (!allowOverlap) requireOtherText(first, second, pair);
    }
  }
  const all = profiles.flatMap(({ shards = [] }) => shards);
  const parts = (run: string) => all.filter((shard) => shard.run === run).length;
  return all
    .filter(({ run, count }) => parts(run) < count)
    .sort((a, b) => (a.run === b.run ? a.index - b.index : a.run < b.run ? -1 : 1));
}

/** Refuses two profiles that hold the same part of a run, or parts that overlap. */
function requireApart(first: ActivationProfile, second: ActivationProfile, pair: string): void {
  const runs = new Set(runsOf(second));
  for (const run of runsOf(first).filter((name) => runs.has(name))) {
    const partsOf = ({ shards = [] }: ActivationProfile) => shards.filter((s) => s.run === run);
    const [a, b] = [partsOf(first), partsOf(second)];
    if (a.length === 0 || b.length === 0) {
      throw invalidOption('profiles', `overlap: ${pair} hold the same run, one of them whole`);
    }
    const counts = new Set([...a, ...b].map(({ count }) => count));
    if (counts.size > 1) {
      const cut = [...counts].join(' and ');
      throw invalidOption('profiles', `overlap: ${pair} are shards of a run cut into ${cut} parts`);
    }
    const same = a.find(({ index }) => b.some((other) => other.index === index));
    if (same) {
      const shard = `${same.index}/${same.count}`;
      throw invalidOption('profiles', `overlap: ${pair} both hold shard ${shard} of one run`);
    }
  }
}

/** Refuses two runs over the same text: their windows may be the same. */
function requireOtherText(first: ActivationProfile, second: ActivationProfile, pair: string): void {
  const parts = new Set(second.shards?.map(({ run }) => run));
  if (first.shards?.some(({ run }) => parts.has(run))) return;
  const read = (profile: ActivationProfile) => profile.corpora.filter(({ tokens }) => tokens > 0);
  const known = new Set(read(second).map(({ sha256 }) => sha256));
  const shared = read(first).find(({ sha256 }) => known.has(sha256));
  if (shared === undefined) return;
  throw invalidOption(
    'profiles',
    `may overlap: ${pair} are of different runs that both counted ${shared.name}; merge shards of one run, or allow overlap`,
  );
}
