import { keepCoresBusy } from './busy-cores.js';
import { busyMs, waitForIdle } from './other-load.js';
import { type RunLimits, runProgram } from './run-program.js';

// Work of others, in cores, beside which a measurement says little.
const DISTURBED = 0.25;
const MOST_ATTEMPTS = 3;

/** How a program's answer came about. */
export interface FreshRun<T> {
  answer: T;
  /** Cores' worth of work that others did meanwhile; `null` where that cannot be told. */
  otherLoad: number | null;
  /** How often it ran until it was left alone, or no longer hoped to be. */
  attempts: number;
}

export interface FreshOptions extends RunLimits {
  /** How long to wait for an idle machine, ms; default 10,000. 0: neither wait nor run again. */
  idleWaitMs?: number;
  /** Cores that are kept busy meanwhile, on purpose; default 0. */
  busyCores?: number;
}

/**
 * Gives a task to a program in a process of its own, as JSON in its last argument, and takes the
 * JSON that it prints. Waits for an idle machine, and runs again when others came in between,
 * three times at most; what disturbed the last run is in the result. The answer's `cpuMs`, its own
 * processor time, tells its work from that of others.
 *
 * @throws PipelineError `ABORTED`; TimeLimitError; Error with the program's last words
 *
 * @example
 * const { answer, otherLoad } = await runFresh(['python3', 'measure.py'], { size: 512 });
 */
export async function runFresh<T extends { cpuMs?: number }>(
  program: readonly [string, ...string[]],
  task: unknown,
  options: FreshOptions = {},
): Promise<FreshRun<T>> {
  const { idleWaitMs = 10_000 } = options;
  const command = [...program, JSON.stringify(task)] as unknown as readonly [string, ...string[]];
  return measureQuietly(
    async () => {
      const { stdout } = await runProgram(command, options);
      const answer = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as T;
      return { answer, cpuMs: answer.cpuMs };
    },
    { ...options, idleWaitMs },
  );
}

/** The same for work that is no process of ours, such as that of a server. */
export async function measureQuietly<T>(
  work: () => Promise<{ answer: T; cpuMs?: number | undefined }>,
  { idleWaitMs = 10_000, busyCores = 0, signal }: FreshOptions = {},
): Promise<FreshRun<T>> {
  for (let attempts = 1; ; attempts++) {
    if (idleWaitMs > 0) await waitForIdle(idleWaitMs, signal);
    using _neighbours = await keepCoresBusy(busyCores);
    const [start, before] = [performance.now(), busyMs()];
    const { answer, cpuMs } = await work();
    const after = busyMs();
    const otherLoad =
      before === null || after === null || cpuMs === undefined
        ? null
        : Math.max(0, (after - before - cpuMs) / (performance.now() - start) - busyCores);
    const again = (otherLoad ?? 0) > DISTURBED && idleWaitMs > 0 && attempts < MOST_ATTEMPTS;
    if (!again) return { answer, otherLoad, attempts };
  }
}
