import { type ChildProcess, spawn } from 'node:child_process';
import { PipelineError } from '@thermocline/contracts';

// The last words of a process that fails; more would bury them.
const MAX_WORDS = 2000;
const MAX_OUTPUT = 64 * 2 ** 20;

export interface RunLimits {
  /** The process is ended after this time; default: none. */
  timeLimitMs?: number;
  signal?: AbortSignal;
}

/** What a process printed, and how long it took. */
export interface ProgramRun {
  stdout: string;
  wallMs: number;
}

/** A process that was ended since its time was up. */
export class TimeLimitError extends Error {}

/**
 * Runs a program to its end. It gets a process group of its own, so that Ctrl-C reaches it through
 * the signal only, and its children end with it.
 *
 * @throws PipelineError `ABORTED`; TimeLimitError; Error with the program's last words
 */
export async function runProgram(
  [file, ...args]: readonly [string, ...string[]],
  { timeLimitMs, signal }: RunLimits = {},
): Promise<ProgramRun> {
  throwIfAborted(signal);
  const start = performance.now();
  const child = spawn(file, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: process.platform !== 'win32',
    windowsHide: true,
  });
  // Workers watch their standard input: when this process is gone, so are they.
  child.stdin.on('error', () => undefined);
  const stop = () => endGroup(child);
  let timedOut = false;
  const timer =
    timeLimitMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          stop();
        }, timeLimitMs);
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const [stdout, words, code] = await Promise.all([
      collect(child, 'stdout', MAX_OUTPUT),
      collect(child, 'stderr', MAX_WORDS),
      exitOf(child),
    ]);
    throwIfAborted(signal);
    if (timedOut) {
      const seconds = Math.round((timeLimitMs as number) / 100) / 10;
      throw new TimeLimitError(`did not end within ${seconds} s`);
    }
    if (code !== 0) throw new Error(describeEnd(code, words));
    return { stdout, wallMs: performance.now() - start };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  const reason = 'the caller stopped the measurement';
  throw new PipelineError('ABORTED', `Stopped: ${reason}.`, { reason });
}

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    if (process.platform === 'win32') child.kill('SIGKILL');
    else process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended on its own.
  }
}

/** The end of what a process writes. */
async function collect(child: ChildProcess, stream: 'stdout' | 'stderr', most: number) {
  let text = '';
  child[stream]?.setEncoding('utf8');
  for await (const chunk of child[stream] ?? []) text = (text + String(chunk)).slice(-most);
  return text;
}

function exitOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, killedBy) => resolve(code ?? killedBy ?? 'unknown'));
  });
}

function describeEnd(code: number | string, words: string): string {
  const how = typeof code === 'number' ? `ended with exit code ${code}` : `was ended by ${code}`;
  const last = words.trim().split('\n').slice(-6).join('\n');
  return last === '' ? how : `${how}: ${last}`;
}
