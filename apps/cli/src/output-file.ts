import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PipelineError } from '@thermocline/contracts';
import { type FileKind, fileKind } from './file-kind.js';
import { callerPath } from './paths.js';
import { UsageError } from './usage-error.js';

/**
 * The path a command shall write to. It may hold an older result of the same kind, but neither
 * something that is read nor a file of another kind.
 *
 * @param inputs - what the command reads, as paths
 */
export async function outputPath(
  output: string | undefined,
  kind: FileKind,
  inputs: readonly string[],
): Promise<string> {
  if (output === undefined) throw new UsageError('Say where the result goes: -o FILE.');
  if (output === '') throw new UsageError('-o is given without a name: -o FILE.');
  const path = callerPath(output);
  const there = await identity(path);
  if (there === undefined) {
    if ((await identity(dirname(path))) !== undefined) return path;
    throw missingFolder(dirname(path));
  }
  for (const input of inputs) {
    if ((await identity(input)) !== there) continue;
    throw new UsageError(`${path} is read: write the result to another file than ${input}.`);
  }
  if ((await kindOf(path)) === kind) return path;
  throw new UsageError(
    `${path} is there and is no ${kind === 'predictors' ? 'predictor set' : kind}: write the result to another file.`,
  );
}

/** For a folder that was named and is not there. */
export function missingFolder(path: string): PipelineError<'FILE_NOT_FOUND'> {
  return new PipelineError('FILE_NOT_FOUND', `${path}: there is no such folder.`, { path });
}

/** Tells files apart whatever their paths; `undefined` where there is none. */
async function identity(path: string): Promise<string | undefined> {
  const info = await stat(path, { bigint: true }).catch(() => undefined);
  return info && `${info.dev}:${info.ino}`;
}

/** A file that cannot even be read as anything is none of ours. */
async function kindOf(path: string): Promise<FileKind | undefined> {
  return fileKind(path).catch(() => undefined);
}
