// Decode with two threads while another process keeps one core busy: it must keep at least 60 % of
// the speed of one thread alone. (Needs a machine, or a `taskset`, of two cores to mean anything.)
//
//   node benchmarks/busy-core.mjs [--rounds 5] [--peer FOLDER]
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runFresh, runQuietly } from './lib/fresh-process.mjs';
import { demoModel, sampleIds, synthModel } from './lib/models.mjs';
import { printTable, writeResults } from './lib/results.mjs';
import { median } from './lib/statistics.mjs';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, peer: { type: 'string' } },
});
const TARGET = 0.6;
const cores = availableParallelism();
if (cores !== 2) console.warn(`This machine has ${cores} cores; run it as: taskset -c 0,1 node …`);

const rows = [];
for (const model of [demoModel, synthModel('Q4_0')]) {
  for (const engine of values.peer ? ['thermocline', 'node-llama-cpp'] : ['thermocline']) {
    /** @param {number} threads @param {typeof runFresh} run @returns {Promise<number>} */
    const decode = async (threads, run) => {
      const task = {
        model: model.path,
        threads,
        mode: 'dense',
        prompt: sampleIds(model, 16),
        decode: engine === 'thermocline' ? 128 : 32,
        repeats: 1,
        ...(engine === 'thermocline' ? {} : { peer: values.peer, context: 1024 }),
      };
      const worker = engine === 'thermocline' ? 'thermocline-worker' : 'node-llama-cpp-worker';
      return median((await run(worker, task)).decodeTps);
    };
    const speeds = { one: [0], two: [0], beside: [0] };
    for (const list of Object.values(speeds)) list.pop();
    for (let round = 0; round < Number(values.rounds); round++) {
      speeds.one.push(await decode(1, runQuietly));
      speeds.two.push(await decode(2, runQuietly));
      speeds.beside.push(await besideBurner(() => decode(2, runFresh)));
    }
    const ratio = median(speeds.beside) / median(speeds.one);
    rows.push({
      engine,
      model: model.name,
      one_thread: median(speeds.one),
      two_threads: median(speeds.two),
      two_threads_beside_a_busy_core: median(speeds.beside),
      ratio_to_one_thread: ratio,
      target: engine !== 'thermocline' ? '' : ratio >= TARGET ? 'ok' : 'MISSED',
      raw_beside: speeds.beside.map((value) => value.toFixed(1)).join(' '),
    });
  }
}
printTable(rows);
console.log(`written: ${writeResults('busy-core', rows)}`);
if (rows.some(({ target }) => target === 'MISSED')) process.exitCode = 1;

/** @template T @param {() => Promise<T>} measure */
async function besideBurner(measure) {
  const path = fileURLToPath(new URL('lib/burner.mjs', import.meta.url));
  const burner = spawn(process.execPath, [path], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await new Promise((resolve) => burner.stdout.once('data', resolve));
    return await measure();
  } finally {
    burner.kill();
  }
}
