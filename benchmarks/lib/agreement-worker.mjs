// What an engine says next after a prompt: the ten most likely tokens, and those of greedy decode.
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openEngine } from '@thermocline/engine-native';
import { finish, task } from './fresh-process.mjs';
import { logProbabilities } from './statistics.mjs';

const { peer, model, prompt, decode, context } = task();
const { tokens, top } = peer === undefined ? await ours() : await theirs();
finish({
  tokens,
  top: top.sort((a, b) => b.logProbability - a.logProbability).slice(0, 10),
});

/** @returns {Promise<{ tokens: number[], top: { id: number, logProbability: number }[] }>} */
async function ours() {
  const engine = await openEngine(model, { threads: 1, context });
  const session = await engine.createSession();
  const options = { maxTokens: decode, ignoreEos: true, mode: /** @type {const} */ ('dense') };
  const { tokens } = await session.generate(prompt, options).result;
  await session.truncate(0);
  const { logits } = await session.evaluate(prompt, { mode: 'dense', logits: 'last' });
  const all = logProbabilities(logits[0] ?? []);
  return { tokens, top: all.map((logProbability, id) => ({ id, logProbability })) };
}

/** @returns {Promise<{ tokens: number[], top: { id: number, logProbability: number }[] }>} */
async function theirs() {
  const entry = createRequire(resolve(peer, 'package.json')).resolve('node-llama-cpp');
  const { getLlama } = await import(pathToFileURL(entry).href);
  const llama = await getLlama({ gpu: false, build: 'never', maxThreads: 1, logLevel: 'disabled' });
  const loaded = await llama.loadModel({ modelPath: model });
  const sequence = (await loaded.createContext({ contextSize: context, threads: 1 })).getSequence();
  /** @type {number[]} */
  const tokens = [];
  for await (const token of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    tokens.push(token);
    if (tokens.length === decode) break;
  }
  await sequence.clearHistory();
  const last = prompt.length - 1;
  const wanted = { probabilities: true, options: { temperature: 1, topK: 0, topP: 1 } };
  const results = await sequence.controlledEvaluate([
    ...prompt.slice(0, last),
    [prompt[last], { generateNext: wanted }],
  ]);
  /** @type {Map<number, number>} */
  const probabilities = results[last]?.next.probabilities ?? new Map();
  const top = [...probabilities].map(([id, p]) => ({ id, logProbability: Math.log(p) }));
  return { tokens, top };
}
