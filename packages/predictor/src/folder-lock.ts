import { readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileError, PipelineError } from '@thermocline/contracts';

const FILE = 'in-use';
/** Folders this process holds: its number alone would not tell two calls apart. */
const held = new Set<string>();

/**
 * Keeps a folder to one trainer at a time. What a killed process held is free.
 *
 * @returns gives it back
 * @throws PipelineError `IO_ERROR` while another one has it
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const key = resolve(folder);
  const path = join(folder, FILE);
  const owner = await ownerOf(path);
  const alive = owner === process.pid ? held.has(key) : owner !== undefined && isAlive(owner);
  if (alive || held.has(key)) {
    const reason = `process ${owner ?? process.pid} is training there`;
    const message = `${folder}: ${reason}. Wait for it or name another folder; if it is something else, remove ${path}.`;
    throw new PipelineError('IO_ERROR', message, { path: folder, reason });
  }
  held.add(key);
  try {
    await rm(path, { force: true });
    // Exclusively: of two that begin at once in a free folder one gets it.
    await writeFile(path, `${process.pid}\n`, { flag: 'wx' });
  } catch (error) {
    held.delete(key);
    throw fileError(path, error);
  }
  return async () => {
    held.delete(key);
    await rm(path, { force: true });
  };
}

async function ownerOf(path: string): Promise<number | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const pid = Number.parseInt(text, 10);
  return pid > 0 ? pid : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
