// Measures Thermocline in a process of its own; the mirror image of node-llama-cpp-worker.mjs.
import { openEngine } from '@thermocline/engine-native';
import { finish, perProcessorSecond, task } from './fresh-process.mjs';
import { logProbabilities } from './statistics.mjs';

const { model, threads, mode, kernels, context, prompt, prefill, decode, repeats } = task();
const engine = await openEngine(model, {
  threads,
  ...(context === undefined ? {} : { context }),
  ...(kernels === undefined ? {} : { kernels }),
});
const session = await engine.createSession();

/** @type {number[]} */
const prefillTps = [];
/** @type {number[]} */
const decodeTps = [];
/** @type {number[]} */
const prefillPerCpu = [];
/** @type {number[]} */
const decodePerCpu = [];
let bytesPerToken = 0;
let ffnBytesPerToken = 0;
/** @type {number[]} */
let tokens = [];

// The first round warms up and is not counted.
for (let round = 0; round <= repeats; round++) {
  if (prefill) {
    await session.truncate(0);
    const start = performance.now();
    const perCpu = await perProcessorSecond(prefill.length, async () => {
      await session.evaluate(prefill, { mode, logits: 'none' });
    });
    if (round > 0) prefillTps.push((prefill.length / (performance.now() - start)) * 1000);
    if (round > 0) prefillPerCpu.push(perCpu);
  }
  if (decode) {
    await session.truncate(0);
    const options = { maxTokens: decode + 1, ignoreEos: true, mode };
    const generation = session.generate(prompt, options);
    const perCpu = await perProcessorSecond(decode, async () => void (await generation.result));
    const result = await generation.result;
    if (round > 0) decodePerCpu.push(perCpu);
    const times = result.tokenTimesMs;
    const elapsed = (times.at(-1) ?? 0) - (times[0] ?? 0);
    if (round > 0) decodeTps.push(((times.length - 1) / elapsed) * 1000);
    bytesPerToken = result.decode.bytesRead.cpu / result.decode.tokens;
    ffnBytesPerToken = result.decode.ffnBytesRead.cpu / result.decode.tokens;
    tokens = result.tokens;
  }
}

await session.truncate(0);
const { logits } = await session.evaluate(prompt, { mode, logits: 'last' });
const top = logProbabilities(logits[0] ?? [])
  .map((logProbability, id) => ({ id, logProbability }))
  .sort((a, b) => b.logProbability - a.logProbability)
  .slice(0, 10);
finish({
  prefillTps,
  decodeTps,
  prefillPerCpu,
  decodePerCpu,
  bytesPerToken,
  ffnBytesPerToken,
  tokens,
  top,
  about: `kernels ${engine.info.kernels}, KV ${engine.info.kvType}`,
});
