import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { fileError } from '@thermocline/contracts';
import { damaged } from '@thermocline/tensor-files';
import { readBytes } from '../read-bytes.js';

/** The counts of OPT-175B as 64-bit numbers take 38 MiB. */
const MAX_FILE_BYTES = 1 << 28;
const LAYER_FILES = new Set(['.pt', '.npy']);

/** A folder stands for its `.pt` or its `.npy` files. */
export function layerFiles(folder: string, names: readonly string[]): string[] {
  const found = names.filter((name) => LAYER_FILES.has(extname(name).toLowerCase()));
  const kinds = new Set(found.map((name) => extname(name).toLowerCase()));
  if (kinds.size === 1) return found;
  const reason =
    kinds.size === 0 ? 'the folder has no .pt and no .npy files' : 'it has .pt and .npy files';
  throw damaged(folder, reason, 'Name the files that are to be imported');
}

/** A whole file, unless it is larger than any statistics are. */
export async function readStatistics(path: string): Promise<Buffer> {
  const { size } = await stat(path).catch((error: unknown) => {
    throw fileError(path, error);
  });
  if (size > MAX_FILE_BYTES) {
    const reason = `${size} bytes are more than counts take (at most ${MAX_FILE_BYTES})`;
    throw damaged(path, reason, 'Name a file of activation counts');
  }
  return readBytes(path);
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
