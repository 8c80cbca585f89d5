import { stat } from 'node:fs/promises';
import { inspectModel } from '@thermocline/runtime';
import { isSynthetic } from '@thermocline/synth';
import { outputPath } from '../output-file.js';
import { UsageError } from '../usage-error.js';

/**
 * The path a synthetic model shall be written to. Only another synthetic model may be there: a real
 * one took somebody longer to get.
 */
export async function modelOutput(output: string | undefined): Promise<string> {
  const path = await outputPath(output, 'model', []);
  if ((await stat(path).catch(() => undefined)) === undefined) return path;
  const there = await inspectModel(path).catch(() => undefined);
  if (there !== undefined && isSynthetic(there.metadata)) return path;
  throw new UsageError(`${path} is there and is no synthetic model: write to another file.`);
}
