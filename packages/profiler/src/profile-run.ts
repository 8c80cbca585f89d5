import { createHash } from 'node:crypto';
import {
  type ActivationSource,
  checkWhole,
  hasExactZeros,
  invalidOption,
} from '@thermocline/contracts';
import type { Corpus } from './corpus.js';
import { windowLength } from './cut-windows.js';
import { checkShard, type ShardOfRun } from './parse-shard.js';
import type { ProfileOptions } from './profile-options.js';

/** Everything that decides what is counted. */
export interface ProfileRun {
  source: ActivationSource;
  corpus: Corpus;
  /** Identifies the run of which this is a shard. */
  id: string;
  shard: ShardOfRun;
  /** Windows: longest, and the budget in tokens. */
  cut: { context: number; tokens?: number };
  coactivation: boolean;
  /** Of `tokenHash`. */
  salt: number;
  /** Names of the domains that are counted apart; none when there is one without a name. */
  domains: string[];
  /** Share of activations not to count; absent: a neuron fires where h ≠ 0, or as given. */
  sparsity?: number;
  thresholds?: number[];
  /** The above as JSON, for `made_by` and for recognising saved progress. */
  settings: Record<string, unknown>;
}

const DEFAULT_SPARSITY = 0.5;

/**
 * Checks the options and gathers what decides the counts.
 *
 * @throws PipelineError `INVALID_ARGUMENT`
 */
export function planRun(
  source: ActivationSource,
  corpus: Corpus,
  options: ProfileOptions,
): ProfileRun {
  const { tokens, shard = { index: 0, count: 1 }, coactivation = true } = options;
  const context = windowLength(source, options.context);
  if (tokens !== undefined) checkWhole('tokens', tokens, 1);
  const firing = firingRule(source, options);
  const domains = namesOf(corpus);
  const settings: Record<string, unknown> = {
    tokens: tokens ?? 'all',
    context,
    ...firing,
    ...(domains.length > 0 && { domains }),
    corpus: corpus.settings,
  };
  const { fingerprint } = source;
  const sources = corpus.sources.map(({ sha256, domain }) => ({ sha256, domain }));
  const id = hash(toJson({ fingerprint, sources, ...settings }))
    .toString('hex')
    .slice(0, 32);
  const salt = hash(Buffer.from(sources.map(({ sha256 }) => sha256).join(''), 'hex'));
  return {
    source,
    corpus,
    id,
    shard: checkShard(shard),
    cut: { context, ...(tokens !== undefined && { tokens }) },
    coactivation,
    salt: salt.readUInt32LE(0),
    domains,
    ...firing,
    settings: { ...settings, coactivation, runs: [id] },
  };
}

/** JSON with sorted keys: equal values give equal text. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

function namesOf({ domains }: Corpus): string[] {
  if (domains.length === 1 && domains[0] === '') return [];
  return domains.map((name) => name || 'unnamed');
}

function firingRule(
  { model }: ActivationSource,
  { thresholds, sparsity }: ProfileOptions,
): { thresholds?: number[]; sparsity?: number } {
  if (thresholds !== undefined) {
    // As the file holds them; what is too large for that becomes infinite.
    const rounded = thresholds.map(Math.fround);
    const valid = rounded.every((value) => value >= 0 && value < Number.POSITIVE_INFINITY);
    if (!valid || thresholds.length !== model.layers) {
      throw invalidOption(
        'thresholds',
        `must be ${model.layers} numbers from 0 up that a float32 holds`,
      );
    }
    return { thresholds: rounded };
  }
  if (sparsity !== undefined && !(sparsity > 0 && sparsity < 1)) {
    throw invalidOption('sparsity', `must lie between 0 and 1, not ${sparsity}`);
  }
  if (sparsity === undefined && hasExactZeros(model)) return {};
  return { sparsity: sparsity ?? DEFAULT_SPARSITY };
}

function hash(bytes: string | Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}
