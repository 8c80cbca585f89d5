import { runBenchmark } from '@thermocline/bench';
import { IDLE_WAIT_MS } from './fresh-process.mjs';

/** @typedef {import('@thermocline/bench').BenchmarkCase} Case */

/**
 * `runBenchmark` as the scenarios of this folder want it: it waits for an idle machine and says
 * where it is.
 *
 * @param {import('@thermocline/bench').BenchmarkOptions} options
 */
export async function measure(options) {
  const benchmark = await runBenchmark({
    idleWaitMs: IDLE_WAIT_MS,
    onProgress: (done, total, what) => process.stderr.write(`${done}/${total} ${what}\n`),
    ...options,
  });
  for (const { engine, mode, status, reason } of benchmark.cases) {
    if (status !== 'done') throw new Error(`${engine}, ${mode}: ${status}: ${reason}`);
  }
  return benchmark;
}

/**
 * The case with these values; there must be one.
 *
 * @param {readonly Case[]} cases
 * @param {Partial<Case>} values
 * @returns {Case}
 */
export function caseOf(cases, values) {
  const wanted = Object.entries(values);
  const found = cases.find((one) =>
    wanted.every(([name, value]) => one[/** @type {keyof Case} */ (name)] === value),
  );
  if (found === undefined) throw new Error(`no case with ${JSON.stringify(values)}`);
  return found;
}

/** @param {Case} one */
export function decodeSpeed({ median }) {
  return median.decode_tokens_per_second ?? Number.NaN;
}

/** The most that others did beside any round. @param {readonly Case[]} cases */
export function otherLoad(cases) {
  const loads = cases.flatMap(({ rounds }) => rounds.map(({ other_load }) => other_load ?? 0));
  return Math.max(...loads);
}
