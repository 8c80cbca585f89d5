import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  type ActivationProfile,
  checkWhole,
  isPipelineError,
  PipelineError,
  readActivationProfile,
  writeActivationProfile,
} from '@thermocline/contracts';
import type { CheckpointOptions } from './profile-options.js';
import { type ProfileRun, toJson } from './profile-run.js';
import { digestState, type RunState, toProfile } from './run-state.js';

const DEFAULT_EVERY_MS = 10_000;
// Profiles of the largest models take a second to write: then twenty times as long lies between
// two writes.
const PAUSE_PER_WRITE = 20;
const MOST_LOST_MS = 30_000;
const SHORTEST_PAUSE_MS = 1_000;
const TOOL = 'progress of @thermocline/profiler';
const REMEDY = 'Begin again with restart (--restart), or remove the file';

/** Keeps the progress of a run in a file: an activation profile, and how far it got. */
export interface Checkpoint {
  path: string;
  /** Writes if the last write was long enough ago. */
  saveIfDue(state: RunState): Promise<void>;
  /** Writes unless the file holds this state already. */
  save(state: RunState): Promise<void>;
}

/**
 * Prepares to keep progress.
 *
 * @throws PipelineError `INVALID_ARGUMENT`
 */
export function keepProgress(run: ProfileRun, options: CheckpointOptions): Checkpoint {
  const { path, everyMs } = options;
  if (everyMs !== undefined) checkWhole('checkpoint.everyMs', everyMs, 0);
  let savedAt = performance.now();
  let askedAt = savedAt;
  let writeMs = 0;
  let saved = '';
  const save = async (state: RunState) => {
    const { phase, next, complete, taken } = state;
    const progress = { phase, next, complete, taken, thresholds: state.thresholds !== undefined };
    const key = toJson(progress);
    if (key === saved) return;
    const started = performance.now();
    const profile = toProfile(run, state);
    const shard = { ...run.shard };
    const made = { settings: run.settings, shard, progress, digest: digestState(state) };
    profile.madeBy = { tool: TOOL, version: profile.madeBy?.version ?? '', options: made };
    await writeActivationProfile(path, profile);
    saved = key;
    savedAt = performance.now();
    writeMs = savedAt - started;
  };
  return {
    path,
    save,
    saveIfDue: async (state) => {
      const now = performance.now();
      const pauseMs = everyMs ?? pauseBetweenWrites(writeMs, now - askedAt);
      if (now - savedAt >= pauseMs) await save(state);
      askedAt = performance.now();
    },
  };
}

/**
 * How long to wait from the end of one write to the next, ms, after a write and a group of windows
 * that took so long.
 *
 * A kill at the worst moment, when the next write is all but done, costs what happened since the
 * write before took its copy: that write, the pause, the group during which it ended, and the next
 * write. The group and the write to come may be a little longer than the last ones, hence a group
 * in reserve. When that alone is more than what may be lost, it writes after nearly every group,
 * but works at least as long as it writes.
 */
export function pauseBetweenWrites(writeMs: number, groupMs: number): number {
  const wanted = Math.max(DEFAULT_EVERY_MS, PAUSE_PER_WRITE * writeMs);
  const allowed = MOST_LOST_MS - 2 * writeMs - 2 * groupMs;
  return Math.max(SHORTEST_PAUSE_MS, writeMs, Math.min(wanted, allowed));
}

/**
 * Reads the progress of an earlier call of the same run; `undefined` when there is none.
 *
 * @throws PipelineError `CHECKPOINT_MISMATCH` when it is of another run, `ARTIFACT_CORRUPT`,
 * `ARTIFACT_FORMAT`, `ARTIFACT_VERSION` when it is damaged or something else
 */
export async function readProgress(
  run: ProfileRun,
  { path, restart = false }: CheckpointOptions,
): Promise<RunState | undefined> {
  if (restart) return undefined;
  const profile = await readSaved(path);
  if (profile === undefined) return undefined;
  const { settings, shard, progress, digest } = savedOptions(path, profile);
  const difference =
    profile.fingerprint === run.source.fingerprint
      ? differenceOf({ ...settings, shard }, { ...run.settings, shard: run.shard })
      : 'was made with another model';
  if (difference !== undefined) {
    throw new PipelineError(
      'CHECKPOINT_MISMATCH',
      `${path}: the progress saved there ${difference}. ${REMEDY}.`,
      { path, reason: difference },
    );
  }
  const { thresholds, ...rest } = progress;
  const state: RunState = {
    ...rest,
    tally: { layers: profile.layers, domains: profile.domains ?? [] },
    ...(thresholds && { thresholds: profile.layers.map(({ threshold }) => threshold ?? 0) }),
  };
  for (const layer of profile.layers) delete layer.threshold;
  if (digestState(state) !== digest)
    throw damaged(path, 'its values are not those that were saved');
  return state;
}

/**
 * Removes the progress of a finished run, and what killed writes left beside it. Call it when
 * the profile is safe: until then, the next call of the same run takes its result from there.
 *
 * @throws PipelineError `IO_ERROR`
 *
 * @example
 * await writeActivationProfile(path, await profileModel(engine, corpus, { checkpoint }));
 * await removeCheckpoint(checkpoint.path);
 */
export async function removeCheckpoint(path: string): Promise<void> {
  const name = basename(path);
  const isLeft = (file: string) =>
    file.startsWith(`${name}.`) && /^\d+-[0-9a-f]{8}\.tmp$/.test(file.slice(name.length + 1));
  try {
    await rm(path, { force: true });
    for (const file of await readdir(dirname(path))) {
      if (isLeft(file)) await rm(join(dirname(path), file), { force: true });
    }
  } catch (error) {
    const reason = (error as Error).message;
    throw new PipelineError('IO_ERROR', `${path}: ${reason}`, { path, reason }, { cause: error });
  }
}

async function readSaved(path: string): Promise<ActivationProfile | undefined> {
  try {
    return await readActivationProfile(path);
  } catch (error) {
    if (isPipelineError(error, 'FILE_NOT_FOUND')) return undefined;
    for (const code of ['ARTIFACT_CORRUPT', 'ARTIFACT_FORMAT', 'ARTIFACT_VERSION'] as const) {
      if (!isPipelineError(error, code)) continue;
      const message = `No progress can be read. ${REMEDY}. (${error.message})`;
      throw new PipelineError(code, message, error.details, { cause: error });
    }
    throw error;
  }
}

interface SavedOptions {
  settings: Record<string, unknown>;
  shard: unknown;
  progress: Omit<RunState, 'tally' | 'thresholds'> & { thresholds: boolean };
  digest: string;
}

function savedOptions(path: string, { madeBy }: ActivationProfile): SavedOptions {
  const saved = madeBy?.options as Partial<SavedOptions> | undefined;
  const known = madeBy?.tool === TOOL && isObject(saved?.settings) && isObject(saved.shard);
  if (known && isProgress(saved.progress)) return saved as SavedOptions;
  throw damaged(path, 'it holds no progress of a profiler');
}

function isProgress(value: unknown): value is SavedOptions['progress'] {
  if (!isObject(value)) return false;
  const { phase, next, complete, taken } = value;
  const count = (number: unknown) => Number.isSafeInteger(number) && (number as number) >= 0;
  const named = phase === 'calibrate' || phase === 'count';
  return named && count(next) && typeof complete === 'boolean' && isCounts(taken);
  function isCounts(list: unknown): boolean {
    return Array.isArray(list) && list.every(count);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function damaged(path: string, reason: string): PipelineError<'ARTIFACT_CORRUPT'> {
  return new PipelineError('ARTIFACT_CORRUPT', `${path}: ${reason}. ${REMEDY}.`, { path, reason });
}

function differenceOf(
  saved: Record<string, unknown>,
  now: Record<string, unknown>,
): string | undefined {
  const differ = (key: string) => toJson(saved[key] ?? null) !== toJson(now[key] ?? null);
  const keys = [...new Set([...Object.keys(saved), ...Object.keys(now)])].filter(differ);
  // The run's name follows from the rest and from the bytes of the corpus.
  const named = keys.filter((key) => key !== 'runs');
  const [key] = named;
  if (key === undefined) return keys.length > 0 ? 'was made with another corpus' : undefined;
  const value = (settings: Record<string, unknown>) => toJson(settings[key] ?? null);
  return `was made with ${key} ${value(saved)}, not ${value(now)}`;
}
