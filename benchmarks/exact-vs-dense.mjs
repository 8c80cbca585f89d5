// What skipping neurons that are exactly zero saves: bytes read per token, and the speed of decode.
//
//   node benchmarks/exact-vs-dense.mjs [--threads 1,2] [--rounds 5]
import { parseArgs } from 'node:util';
import { runQuietly } from './lib/fresh-process.mjs';
import { demoModel, sampleIds, synthModel } from './lib/models.mjs';
import { printTable, writeResults } from './lib/results.mjs';
import { median } from './lib/statistics.mjs';

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '5' },
  },
});

const rows = [];
// Random gates fire for half of the neurons: far more than a model trained with ReLU.
for (const model of [demoModel, synthModel('F16', { relu: true })]) {
  for (const threads of values.threads.split(',').map(Number)) {
    const results = { dense: /** @type {any[]} */ ([]), exact: /** @type {any[]} */ ([]) };
    for (let round = 0; round < Number(values.rounds); round++) {
      const modes = /** @type {const} */ (['dense', 'exact']);
      for (const mode of round % 2 === 0 ? modes : modes.toReversed()) {
        const prompt = sampleIds(model, 16);
        const task = { model: model.path, threads, mode, prompt, decode: 128, repeats: 3 };
        results[mode].push(await runQuietly('thermocline-worker', task));
      }
    }
    const speed = {
      dense: median(results.dense.flatMap(({ decodeTps }) => decodeTps)),
      exact: median(results.exact.flatMap(({ decodeTps }) => decodeTps)),
    };
    const [dense, exact] = [results.dense[0], results.exact[0]];
    rows.push({
      model: model.name,
      threads,
      dense_tokens_per_second: speed.dense,
      exact_tokens_per_second: speed.exact,
      speed_ratio: speed.exact / speed.dense,
      dense_bytes_per_token: dense.bytesPerToken,
      exact_bytes_per_token: exact.bytesPerToken,
      bytes_ratio: exact.bytesPerToken / dense.bytesPerToken,
      ffn_bytes_ratio: exact.ffnBytesPerToken / dense.ffnBytesPerToken,
      same_tokens: String(JSON.stringify(dense.tokens) === JSON.stringify(exact.tokens)),
      other_load: Math.max(...results.dense.concat(results.exact).map((r) => r.otherLoad)),
    });
  }
}
printTable(rows);
console.log(`written: ${writeResults('exact-vs-dense', rows)}`);
