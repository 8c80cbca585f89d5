import { readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileError, PipelineError } from '@thermocline/contracts';
import { startOfProcess } from './process-start.js';

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
  const isOurs = owner?.pid === process.pid;
  const alive = isOurs ? held.has(key) : owner !== undefined && (await isAlive(owner));
  if (alive || held.has(key)) {
    const reason = `process ${owner?.pid ?? process.pid} is training there`;
    const message = `${folder}: ${reason}. Wait for it or name another folder; if it is something else, remove ${path}.`;
    throw new PipelineError('IO_ERROR', message, { path: folder, reason });
  }
  held.add(key);
  try {
    await rm(path, { force: true });
    // Exclusively: of two that begin at once in a free folder one gets it.
    const start = await startOfProcess(process.pid);
    await writeFile(path, `${process.pid} ${start ?? ''}\n`, { flag: 'wx' });
  } catch (error) {
    held.delete(key);
    throw fileError(path, error);
  }
  return async () => {
    held.delete(key);
    await rm(path, { force: true });
  };
}

/** Who holds a folder: a process and, where the system tells, when it began. */
interface Owner {
  pid: number;
  start?: string;
}

async function ownerOf(path: string): Promise<Owner | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const [number = '', start = ''] = text.trim().split(' ');
  const pid = Number.parseInt(number, 10);
  return pid > 0 ? { pid, ...(start !== '' && { start }) } : undefined;
}

/** A number is given again once its process is gone: then another one began at another time. */
async function isAlive({ pid, start }: Owner): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const now = await startOfProcess(pid);
  if (now === 'gone') return false;
  return start === undefined || now === undefined || now === start;
}
