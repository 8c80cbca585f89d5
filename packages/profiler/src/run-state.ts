import { createHash } from 'node:crypto';
import type { ActivationProfile } from '@thermocline/contracts';
import manifest from '../package.json' with { type: 'json' };
import type { Phase } from './profile-options.js';
import { type ProfileRun, toJson } from './profile-run.js';
import { emptyTally, type Tally } from './tally.js';

/** How far a run got. */
export interface RunState {
  phase: Phase;
  /** Number of the first window that is not in the tally yet. */
  next: number;
  /** All windows are in the tally. */
  complete: boolean;
  tally: Tally;
  /** Tokens in the tally, by source of the corpus. [sources] */
  taken: number[];
  /** Chosen for the phase `count`; absent: a neuron fires where h ≠ 0. [layers] */
  thresholds?: number[];
}

/** The beginning of a phase. */
export function startPhase(run: ProfileRun, phase: Phase, thresholds?: number[]): RunState {
  return {
    phase,
    next: 0,
    complete: false,
    tally: emptyTally(run.source.model, run.domains),
    taken: run.corpus.sources.map(() => 0),
    ...(thresholds && { thresholds }),
  };
}

/** Tokens in the tally. */
export function tokensOf({ taken }: RunState): number {
  return taken.reduce((sum, tokens) => sum + tokens, 0);
}

/** What has been counted, as an artifact. */
export function toProfile(
  run: ProfileRun,
  { tally, taken, thresholds }: RunState,
): ActivationProfile {
  const { source, corpus, shard, id } = run;
  const { layers, domains } = tally;
  return {
    fingerprint: source.fingerprint,
    model: source.model,
    corpora: corpus.sources.map(({ name, sha256 }, i) => ({
      name,
      sha256,
      tokens: taken[i] as number,
    })),
    madeBy: { tool: manifest.name, version: manifest.version, options: run.settings },
    layers: thresholds
      ? layers.map((layer, i) => ({ ...layer, threshold: thresholds[i] as number }))
      : layers,
    ...(domains.length > 0 && { domains }),
    ...(shard.count > 1 && { shards: [{ run: id, ...shard }] }),
  };
}

/** SHA-256 over every number of a state: equal digests mean equal bits. */
export function digestState({ tally, ...rest }: RunState): string {
  const hash = createHash('sha256').update(toJson(rest));
  const add = (array: ArrayBufferView | undefined) => {
    hash.update(`${array?.byteLength ?? 'none'};`);
    if (array) hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  };
  for (const layer of tally.layers) {
    hash.update(`${layer.tokens};`);
    for (const key of ARRAYS) add(layer[key]);
  }
  for (const { name, tokens, fires } of tally.domains) {
    hash.update(toJson([name, tokens]));
    for (const counts of fires) add(counts);
  }
  return hash.digest('hex');
}
const ARRAYS = ['fires', 'absSum', 'contribution', 'magnitudes', 'coactivation'] as const;
