import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileError, PipelineError, writeFileAtomically } from '@thermocline/contracts';
import { lockFolder } from './folder-lock.js';
import { makeFolder } from './make-folder.js';
import type { TrainRun } from './train-run.js';

const SETTINGS = 'settings.json';
const SAMPLES = 'samples';
/** What a trainer puts there, killed writes included; nothing else is ever removed. */
const OURS =
  /^(samples|in-use|((settings|width-\d+|widths)\.json|layer-\d+\.safetensors)(\.\d+-[0-9a-f]{8}\.tmp)?)$/;
const REMEDY = 'Begin again with restart (--restart), or name another folder';

/** Where a run keeps its samples and finished layers. */
export interface WorkFolder {
  readonly path: string;
  readonly samples: string;
  /** `undefined` where there is none. */
  readJson(name: string): Promise<unknown>;
  writeJson(name: string, value: unknown): Promise<void>;
  /** Gives the folder back; a temporary one goes. */
  close(): Promise<void>;
}

/**
 * Opens the folder of a run: an empty one, or one that a call with the same settings left.
 *
 * @throws PipelineError `CHECKPOINT_MISMATCH`, `ARTIFACT_CORRUPT`, `INVALID_ARGUMENT` for a folder of
 * something else, `IO_ERROR`
 */
export async function openWorkFolder(run: TrainRun): Promise<WorkFolder> {
  const { checkpoint } = run.options;
  const path = checkpoint?.path ?? (await temporaryFolder());
  await makeFolder(path);
  const unlock = await lockFolder(path);
  try {
    if (checkpoint?.restart) await removeTrainingFiles(path);
    await requireSameRun(path, run);
  } catch (error) {
    await unlock();
    throw error;
  }
  return {
    path,
    samples: join(path, SAMPLES),
    readJson: (name) => readJson(join(path, name)),
    writeJson: (name, value) => writeJson(join(path, name), value),
    async close() {
      await unlock();
      if (checkpoint === undefined) await rm(path, { recursive: true, force: true });
    },
  };
}

/**
 * Removes what a run kept in its folder, and the folder when nothing else is in it. Call it when
 * the predictor set is safe: until then, the next call of the same run takes its result from there.
 *
 * @throws PipelineError `IO_ERROR`
 *
 * @example
 * await writePredictorSet(path, await trainPredictors(engine, profile, { ...options, checkpoint }));
 * await removeTrainingFolder(checkpoint.path);
 */
export async function removeTrainingFolder(path: string): Promise<void> {
  await removeTrainingFiles(path);
  try {
    if ((await filesIn(path)).length === 0) await rm(path, { recursive: true, force: true });
  } catch (error) {
    throw fileError(path, error);
  }
}

async function removeTrainingFiles(path: string): Promise<void> {
  try {
    for (const name of await filesIn(path)) {
      if (OURS.test(name) && name !== 'in-use') {
        await rm(join(path, name), { recursive: true, force: true });
      }
    }
  } catch (error) {
    throw fileError(path, error);
  }
}

/** Removes samples that are not needed any more. */
export async function removeSamples(folder: WorkFolder, pass: string): Promise<void> {
  const path = join(folder.samples, pass);
  await rm(path, { recursive: true, force: true }).catch((error: unknown) => {
    throw fileError(path, error);
  });
}

async function requireSameRun(path: string, run: TrainRun): Promise<void> {
  const settings = { model: run.source.fingerprint, ...run.settings };
  const file = join(path, SETTINGS);
  const saved = await readJson(file);
  if (saved === undefined) {
    await requireOurs(path);
    await writeJson(file, settings);
    return;
  }
  const difference = differenceOf(file, saved, JSON.parse(JSON.stringify(settings)));
  if (difference === undefined) return;
  throw new PipelineError(
    'CHECKPOINT_MISMATCH',
    `${path}: the progress saved there ${difference}. ${REMEDY}.`,
    { path, reason: difference },
  );
}

/** A folder without settings is ours only while it is empty, or was left so by an early kill. */
async function requireOurs(path: string): Promise<void> {
  const other = (await filesIn(path)).find((name) => !OURS.test(name));
  if (other === undefined) return;
  const reason = `${path} holds "${other}", which is not of a trainer; name a new folder`;
  throw new PipelineError('INVALID_ARGUMENT', `checkpoint: ${reason}.`, {
    argument: 'checkpoint',
    reason,
  });
}

function differenceOf(
  file: string,
  saved: unknown,
  now: Record<string, unknown>,
): string | undefined {
  if (typeof saved !== 'object' || saved === null) throw damaged(file, 'is not a JSON object');
  const before = saved as Record<string, unknown>;
  const text = (value: unknown) => JSON.stringify(value ?? null);
  const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  const key = keys.find((name) => text(before[name]) !== text(now[name]));
  if (key === undefined) return undefined;
  if (key === 'model') return 'was made with another model';
  if (key === 'profile' || key === 'corpus') return `was made with another ${key}`;
  return `was made with ${key} ${text(before[key])}, not ${text(now[key])}`;
}

async function filesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileError(path, error);
  }
}

async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fileError(path, error);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw damaged(path, `is not JSON (${(error as Error).message})`);
  }
}

function writeJson(path: string, value: unknown): Promise<void> {
  return writeFileAtomically(path, (append) => append(Buffer.from(`${JSON.stringify(value)}\n`)));
}

/** Progress that cannot be read. */
export function damaged(path: string, reason: string): PipelineError<'ARTIFACT_CORRUPT'> {
  const message = `${path}: no progress can be read, it ${reason}. ${REMEDY}.`;
  return new PipelineError('ARTIFACT_CORRUPT', message, { path, reason });
}

async function temporaryFolder(): Promise<string> {
  const base = join(tmpdir(), 'thermocline-predictors-');
  return mkdtemp(base).catch((error: unknown) => {
    throw fileError(base, error);
  });
}
