// Reads the same windows with and without counting, in turn, in a process of its own.
import { openEngine } from '@thermocline/engine-native';
import { finish, task } from './fresh-process.mjs';

const { model, context, vocab, tokens, rounds, threads, sketch } = task();
const engine = await openEngine(model, { threads, context });
const session = await engine.createSession();
const windows = Array.from({ length: Math.ceil(tokens / context) }, (_, i) => ({
  tokens: Int32Array.from({ length: context }, (_, j) => {
    return 300 + (((i * context + j) * 7919) % (vocab - 400));
  }),
  document: 0,
  position: i * context,
}));

async function read() {
  for (const window of windows) {
    await session.truncate(0);
    await session.evaluate(window.tokens, { logits: 'none' });
  }
}

async function count() {
  await engine.sum(windows, sketch ? { sketch: { salt: 1 } } : {});
}

/** @param {() => Promise<void>} work @param {{ wall: number[], cpu: number[] }} times in ms */
async function measure(work, times) {
  const [start, before] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(before);
  times.wall.push(performance.now() - start);
  times.cpu.push((user + system) / 1000);
}

const plain = { wall: /** @type {number[]} */ ([]), cpu: /** @type {number[]} */ ([]) };
const counted = { wall: /** @type {number[]} */ ([]), cpu: /** @type {number[]} */ ([]) };
// The first of each warms up and is not counted.
await read();
await count();
for (let round = 0; round < rounds; round++) {
  if (round % 2 === 1) await measure(read, plain);
  await measure(count, counted);
  if (round % 2 === 0) await measure(read, plain);
}
finish({ plain, counted });
