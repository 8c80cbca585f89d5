// What counting costs while the engine prefills: `sum`, with and without co-activation sketches,
// beside the same windows read by `evaluate` with logits 'none'. Fails above 1.15. Without limits
// on the machine, judge by processor time: the clock says what others do, too.
//
//   node benchmarks/counting-cost.mjs [--threads 1,2] [--rounds 9] [--tokens 8192]
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runQuietly } from './lib/fresh-process.mjs';
import { demoModel, optModel, swigluModel } from './lib/models.mjs';
import { printTable, writeResults } from './lib/results.mjs';
import { median } from './lib/statistics.mjs';

const LIMIT = 1.15;

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '9' },
    tokens: { type: 'string', default: '8192' },
  },
});

/** Medians of the pairs' ratios, and the raw times in ms. @param {any} result */
function summary({ plain, counted, otherLoad }) {
  const ratios = (/** @type {'wall' | 'cpu'} */ clock) =>
    plain[clock].map(
      (/** @type {number} */ time, /** @type {number} */ i) => counted[clock][i] / time,
    );
  return {
    time_ratio: median(ratios('wall')),
    processor_ratio: median(ratios('cpu')),
    plain_ms: median(plain.wall),
    counted_ms: median(counted.wall),
    other_load: otherLoad,
    plain_raw_ms: plain.wall.map(Math.round).join(' '),
    counted_raw_ms: counted.wall.map(Math.round).join(' '),
  };
}

const rows = [];
for (const model of [demoModel, optModel, swigluModel]) {
  if (!existsSync(model.path)) {
    console.log(`skipped: ${model.path} is not here (extra test data)`);
    continue;
  }
  for (const threads of values.threads.split(',').map(Number)) {
    for (const sketch of [false, true]) {
      const result = await runQuietly('counting-worker', {
        model: model.path,
        context: model.context,
        vocab: model.vocab,
        tokens: Number(values.tokens),
        rounds: Number(values.rounds),
        threads,
        sketch,
      });
      rows.push({ model: model.name, threads, sketches: String(sketch), ...summary(result) });
    }
  }
}
printTable(rows.map(({ plain_raw_ms: _, counted_raw_ms: __, ...row }) => row));
console.log(`written: ${writeResults('counting-cost', rows)}`);
const tooDear = rows.filter((row) => Math.min(row.time_ratio, row.processor_ratio) > LIMIT);
for (const row of tooDear) {
  console.error(`${row.model}, ${row.threads} threads: counting costs more than ${LIMIT} times`);
}
process.exitCode = tooDear.length > 0 ? 1 : 0;
