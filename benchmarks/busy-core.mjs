// Decode with two threads while another process keeps one core busy: it must keep at least 80 % of
// the speed of one thread alone. (Needs a machine, or a `taskset`, of two cores to mean anything.)
//
//   node benchmarks/busy-core.mjs [--rounds 5] [--peer FOLDER]
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { nodeLlamaCpp } from '@thermocline/bench';
import { caseOf, decodeSpeed, measure, otherLoad } from './lib/measure.mjs';
import { demoModel, synthModel } from './lib/models.mjs';
import { printTable, writeResults } from './lib/results.mjs';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, peer: { type: 'string' } },
});
const TARGET = 0.8;
const cores = availableParallelism();
if (cores !== 2) console.warn(`This machine has ${cores} cores; run it as: taskset -c 0,1 node …`);

const models = [demoModel, await synthModel('Q4_0')];
const { cases } = await measure({
  models: models.map(({ path }) => path),
  modes: ['dense'],
  grid: { threads: [1, 2], busyCores: [0, 1] },
  promptTokens: 0,
  generate: 64,
  rounds: Number(values.rounds),
  // The own loop: handing tokens over would wait for a core too.
  decode: 'greedy',
  peers: values.peer === undefined ? [] : [nodeLlamaCpp(values.peer)],
});
const rows = models.flatMap(({ name }, model) =>
  [...new Set(cases.map(({ engine }) => engine))].map((engine) => {
    const own = { engine, model };
    const one = decodeSpeed(caseOf(cases, { ...own, threads: 1, busy_cores: 0 }));
    const two = decodeSpeed(caseOf(cases, { ...own, threads: 2, busy_cores: 0 }));
    const beside = caseOf(cases, { ...own, threads: 2, busy_cores: 1 });
    const ratio = decodeSpeed(beside) / one;
    return {
      engine,
      model: name,
      one_thread: one,
      two_threads: two,
      two_threads_beside_a_busy_core: decodeSpeed(beside),
      ratio_to_one_thread: ratio,
      target: engine !== 'thermocline' ? '' : ratio >= TARGET ? 'ok' : 'MISSED',
      other_load: otherLoad(cases.filter((each) => each.engine === engine && each.model === model)),
    };
  }),
);
printTable(rows);
console.log(`written: ${writeResults('busy-core', rows)}`);
if (rows.some(({ target }) => target === 'MISSED')) process.exitCode = 1;
