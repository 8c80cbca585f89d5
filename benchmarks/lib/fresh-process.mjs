import { fileURLToPath } from 'node:url';
import { runFresh } from '@thermocline/bench';

/**
 * @typedef {'agreement-worker' | 'counting-worker' | 'load-worker' | 'training-worker'
 *   | 'torch_training'} Worker
 */

/** How long a scenario waits for an idle machine, ms. */
export const IDLE_WAIT_MS = 1000 * Number(process.env['BENCHMARK_WAIT_SECONDS'] ?? 30);

/**
 * Runs a worker of `lib/` in a process of its own on an idle machine, as far as there is one, and
 * gives back the JSON it prints, with the cores that others used meanwhile.
 *
 * @param {Worker} worker
 * @param {object} task
 * @param {string} [python] the interpreter, for a worker in Python
 * @returns {Promise<any>}
 */
export async function runQuietly(worker, task, python) {
  const file = `${worker}.${python === undefined ? 'mjs' : 'py'}`;
  const path = fileURLToPath(new URL(file, import.meta.url));
  const { answer, otherLoad } = await runFresh([python ?? process.execPath, path], task, {
    idleWaitMs: IDLE_WAIT_MS,
  });
  return { ...answer, otherLoad: otherLoad ?? Number.NaN };
}

/**
 * Ends a worker: prints its result with the processor time it took. Leaves without waiting for
 * anything, since some libraries keep the process alive.
 *
 * @param {object} result
 */
export function finish(result) {
  const { user, system } = process.cpuUsage();
  const text = JSON.stringify({ ...result, cpuMs: (user + system) / 1000 });
  process.stdout.write(`${text}\n`, () => process.exit(0));
}

/** The task this worker was started with. @returns {any} */
export function task() {
  return JSON.parse(process.argv[2] ?? '{}');
}
