// How close dense decode comes to what the memory can deliver: bytes read per token times tokens
// per second, over the bandwidth that `thermocline probe` measures in the same run.
//
//   node benchmarks/roofline.mjs [--threads 1,2] [--rounds 5]
import { parseArgs } from 'node:util';
import { probeHardware } from '@thermocline/engine-native';
import { runQuietly } from './lib/fresh-process.mjs';
import { waitForIdle } from './lib/machine.mjs';
import { sampleIds, synthModel } from './lib/models.mjs';
import { printTable, writeResults } from './lib/results.mjs';
import { median } from './lib/statistics.mjs';

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '3' },
  },
});

await waitForIdle(20_000);
const { tiers } = await probeHardware({ driveFolder: null, gpu: false });
const measured = tiers.cpu.sequentialBytesPerSecond;
const rows = [];
for (const type of /** @type {const} */ (['F16', 'Q8_0', 'Q4_0'])) {
  const model = synthModel(type);
  for (const threads of values.threads.split(',').map(Number)) {
    const results = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      const prompt = sampleIds(model, 16);
      const task = { model: model.path, threads, mode: 'dense', prompt, decode: 64, repeats: 3 };
      results.push(await runQuietly('thermocline-worker', task));
    }
    const tokensPerSecond = median(results.flatMap(({ decodeTps }) => decodeTps));
    const { bytesPerToken } = results[0];
    rows.push({
      model: model.name,
      threads,
      bytes_per_token: bytesPerToken,
      tokens_per_second: tokensPerSecond,
      limit_tokens_per_second: measured / bytesPerToken,
      achieved_gb_per_second: (bytesPerToken * tokensPerSecond) / 1e9,
      measured_gb_per_second: measured / 1e9,
      share: (bytesPerToken * tokensPerSecond) / measured,
      other_load: Math.max(...results.map(({ otherLoad }) => otherLoad)),
    });
  }
}
printTable(rows);
console.log(`written: ${writeResults('roofline', rows)}`);
