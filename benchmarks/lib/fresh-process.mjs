import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { busyTicks, waitForIdle } from './machine.mjs';

/**
 * @typedef {'thermocline-worker' | 'node-llama-cpp-worker' | 'counting-worker' | 'training-worker'
 *   | 'torch_training'} Worker
 */

/**
 * Runs a worker of `lib/` in a process of its own and gives back the JSON it prints, with the
 * share of the machine that others used meanwhile.
 *
 * @param {Worker} worker
 * @param {object} task
 * @param {string} [python] the interpreter, for a worker in Python
 * @returns {Promise<any>}
 */
export async function runFresh(worker, task, python) {
  const [start, ticks] = [performance.now(), busyTicks()];
  const file = `${worker}.${python === undefined ? 'mjs' : 'py'}`;
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(python ?? process.execPath, [path, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  let output = '';
  for await (const chunk of child.stdout) output += chunk;
  const code = await exit;
  if (code !== 0) throw new Error(`${worker} ended with ${code} on ${JSON.stringify(task)}`);
  const result = JSON.parse(output);
  const now = busyTicks();
  if (ticks === null || now === null) return { ...result, otherLoad: Number.NaN };
  const busyMs = (now - ticks) * 10;
  const others = (busyMs - result.cpuMs) / (performance.now() - start);
  return { ...result, otherLoad: Math.max(0, others) };
}

const QUIET = 0.25;
const WAIT_MS = 1000 * Number(process.env['BENCHMARK_WAIT_SECONDS'] ?? 30);

/**
 * `runFresh` on an idle machine: waits for it, and runs again when others came in between, three
 * times at most. What remains is in `otherLoad`.
 *
 * @param {Worker} worker
 * @param {object} task
 * @param {string} [python] the interpreter, for a worker in Python
 */
export async function runQuietly(worker, task, python) {
  for (let attempt = 1; ; attempt++) {
    await waitForIdle(WAIT_MS);
    const result = await runFresh(worker, task, python);
    if (result.otherLoad < QUIET || attempt === 3) return result;
  }
}

/**
 * Runs `work` and gives back how many of `tokens` it did per second of processor time. Unlike the
 * time on the clock this says the same on an idle and on a busy machine, as long as one thread does
 * all the work.
 *
 * @param {number} tokens
 * @param {() => Promise<void>} work
 */
export async function perProcessorSecond(tokens, work) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return tokens / ((user + system) / 1e6);
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
  process.stdout.write(text, () => process.exit(0));
}

/** The task this worker was started with. @returns {any} */
export function task() {
  return JSON.parse(process.argv[2] ?? '{}');
}
