// Measures node-llama-cpp in a process of its own; the mirror image of thermocline-worker.mjs.
// Decode uses `sequence.evaluate`, the loop that node-llama-cpp's own chat runs on, with greedy
// sampling; what llama.cpp itself counts for the same tokens (without sampling and JavaScript) is
// read from its performance log.
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { finish, perProcessorSecond, task } from './fresh-process.mjs';

const { peer, model: modelPath, threads, context: contextSize, ...work } = task();
const { prompt, prefill, decode, repeats } = work;
const entry = createRequire(resolve(peer, 'package.json')).resolve('node-llama-cpp');
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(entry).href);

/** @type {string[]} */
const log = [];
const llama = await getLlama({
  gpu: false,
  build: 'never',
  maxThreads: threads,
  logLevel: LlamaLogLevel.info,
  logger: (/** @type {string} */ _, /** @type {string} */ text) => log.push(text),
});
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({
  contextSize,
  threads,
  batchSize: 512,
  flashAttention: false,
  performanceTracking: true,
});
const sequence = context.getSequence();

/** @type {number[]} */
const prefillTps = [];
/** @type {number[]} */
const decodeTps = [];
/** @type {number[]} */
const prefillPerCpu = [];
/** @type {number[]} */
const decodePerCpu = [];
/** @type {number[]} */
const innerDecodeTps = [];
/** @type {number[]} */
let tokens = [];

for (let round = 0; round <= repeats; round++) {
  if (prefill) {
    await sequence.clearHistory();
    const start = performance.now();
    const perCpu = await perProcessorSecond(prefill.length, () =>
      sequence.evaluateWithoutGeneratingNewTokens(prefill),
    );
    if (round > 0) prefillTps.push((prefill.length / (performance.now() - start)) * 1000);
    if (round > 0) prefillPerCpu.push(perCpu);
  }
  if (decode) {
    await sequence.clearHistory();
    await context.printTimings(); // resets the counters
    log.length = 0;
    tokens = [];
    /** @type {number[]} */
    const times = [];
    const perCpu = await perProcessorSecond(decode, async () => {
      for await (const token of sequence.evaluate(prompt, {
        temperature: 0,
        yieldEogToken: true,
      })) {
        times.push(performance.now());
        tokens.push(token);
        if (times.length > decode) break;
      }
    });
    if (round > 0) decodePerCpu.push(perCpu);
    const elapsed = (times.at(-1) ?? 0) - (times[0] ?? 0);
    await context.printTimings();
    const inner = /\beval time =.*?([\d.]+) tokens per second/.exec(
      log.filter((line) => !line.includes('prompt eval')).join('\n'),
    );
    if (round > 0) decodeTps.push(((times.length - 1) / elapsed) * 1000);
    if (round > 0) innerDecodeTps.push(Number(inner?.[1] ?? Number.NaN));
  }
}

await sequence.clearHistory();
const last = prompt.length - 1;
const results = await sequence.controlledEvaluate([
  ...prompt.slice(0, last),
  [
    prompt[last],
    { generateNext: { probabilities: true, options: { temperature: 1, topK: 0, topP: 1 } } },
  ],
]);
/** @type {Map<number, number>} */
const probabilities = results[last]?.next.probabilities ?? new Map();
const top = [...probabilities]
  .map(([id, probability]) => ({ id, logProbability: Math.log(probability) }))
  .sort((a, b) => b.logProbability - a.logProbability)
  .slice(0, 10);
finish({
  prefillTps,
  decodeTps,
  prefillPerCpu,
  decodePerCpu,
  innerDecodeTps,
  tokens,
  top,
  about: `llama.cpp ${llama.llamaCppRelease.release}, KV F16, no flash attention`,
});
