import { open, stat } from 'node:fs/promises';
import {
  ACTIVATION_PROFILE_FORMAT,
  openArtifact,
  PLACEMENT_PLAN_FORMAT,
  PREDICTOR_SET_FORMAT,
} from '@thermocline/contracts';

export type FileKind =
  | 'model'
  | 'profile'
  | 'plan'
  | 'predictors'
  | 'safetensors'
  | 'hardware'
  | 'benchmark';

const BENCHMARK = /^\s*\{\s*"format":\s*"thermocline\.benchmark"/;

/** What a file is, judged by its content. Whatever is nothing else is taken for a model. */
export async function fileKind(path: string): Promise<FileKind> {
  const begin = await firstBytes(path, 64);
  if (begin === undefined || begin.toString('latin1', 0, 4) === 'GGUF') return 'model';
  if (BENCHMARK.test(begin.toString('latin1'))) return 'benchmark';
  if (/^\s*\{[^\0]/.test(begin.toString('latin1'))) return 'hardware';
  // A safetensors file begins with the length of its header, which is JSON.
  if (begin.length < 9 || begin[8] !== 0x7b) return 'model';
  const artifact = await openArtifact(path);
  try {
    switch (artifact.metadata.get('format')) {
      case ACTIVATION_PROFILE_FORMAT:
        return 'profile';
      case PLACEMENT_PLAN_FORMAT:
        return 'plan';
      case PREDICTOR_SET_FORMAT:
        return 'predictors';
      default:
        return 'safetensors';
    }
  } finally {
    await artifact.close();
  }
}

/** The first bytes of a regular file; of anything else the model reader says what is wrong. */
async function firstBytes(path: string, count: number): Promise<Buffer | undefined> {
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile()) return undefined;
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(count), 0, count, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
