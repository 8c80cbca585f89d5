import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { BUILT, runScript, SMALL_MODEL } from './testing/models.js';

const GENERATE = `
  const e = await engine.openEngine(model);
  const s = await e.createSession();
  const ids = await e.tokenize('Once upon a time', { addSpecial: true });
`;

/** A worker thread that runs `body` with the package and the small model at hand. */
function startWorker(body: string): Worker {
  return new Worker(
    `const { parentPort } = require('node:worker_threads');
     const engine = require(${JSON.stringify(BUILT.cjs)});
     const model = ${JSON.stringify(SMALL_MODEL)};
     (async () => {${body}})();`,
    { eval: true },
  );
}

const message = (worker: Worker) =>
  new Promise<unknown>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`worker left with ${code}`)));
  });

test('worker threads have engines of their own', async () => {
  const body = `${GENERATE}
    const { text } = await s.generate(ids, { maxTokens: 20, ignoreEos: true }).result;
    parentPort.postMessage(text);`;
  const texts = await Promise.all([1, 2, 3].map(() => message(startWorker(body))));
  expect(new Set(texts).size).toBe(1);
  expect(texts[0]).not.toBe('');
});

test('a worker may be terminated while it opens, generates, observes or tokenizes', async () => {
  const ending = [
    `parentPort.postMessage('ready'); for (;;) await (await engine.openEngine(model)).close();`,
    `${GENERATE} parentPort.postMessage('ready');
     for (;;) { await s.truncate(0); await s.generate(ids, { ignoreEos: true }).result; }`,
    `${GENERATE} parentPort.postMessage('ready');
     const window = { tokens: ids, document: 0, position: 0 };
     function* windows() { for (;;) yield window; }
     for await (const b of e.observe(windows(), { streams: ['activation'], maxBufferedRows: 8 })) ;`,
    `${GENERATE} parentPort.postMessage('ready');
     for (;;) await e.tokenize('Once upon a time. '.repeat(10000));`,
    `${GENERATE} parentPort.postMessage('ready');
     for await (const { text } of s.generate(ids, { ignoreEos: true })) { for (;;); }`,
  ];
  for (let round = 0; round < 6; round++) {
    await Promise.all(
      ending.map(async (body, i) => {
        const worker = startWorker(body);
        await message(worker);
        await new Promise((resolve) => setTimeout(resolve, (round * 7 + i * 3) % 30));
        await worker.terminate();
      }),
    );
  }
});

test('an engine that is open and idle keeps no process alive', async () => {
  const result = await runScript(`${GENERATE} globalThis.kept = [e, s]; console.log('idle');`);
  expect(result).toMatchObject({ code: 0, stdout: 'idle\n', stderr: '' });
});

test('a call that runs keeps the process alive until it ends', async () => {
  const result = await runScript(`${GENERATE}
    s.generate(ids, { maxTokens: 30, ignoreEos: true }).result.then((r) => console.log(r.tokens.length));`);
  expect(result).toMatchObject({ code: 0, stdout: '30\n', stderr: '' });
});

test('process.exit in the middle of a generation ends quietly', async () => {
  for (const delay of [0, 1, 3, 5]) {
    const result = await runScript(`${GENERATE}
      s.generate(ids, { ignoreEos: true }); e.tokenize('a '.repeat(100000)); engine.openEngine(model);
      setTimeout(() => process.exit(7), ${delay});`);
    expect(result).toMatchObject({ code: 7, signal: null, stderr: '' });
  }
});

test('ESM and CommonJS copies in one process share the addon', async () => {
  const result = await runScript(`
    const esm = await import(${JSON.stringify(BUILT.esm)});
    const [a, b] = [await engine.openEngine(model), await esm.openEngine(model)];
    const session = await a.createSession();
    // A session of one copy's engine in a step through the other copy's method.
    const [r] = await esm.NativeEngine.prototype.constructor === b.constructor
      ? await a.step([{ session, tokens: [1, 2] }]) : [];
    console.log(r.logits[0].length === a.info.model.vocab, a.constructor !== b.constructor);
    console.log(esm.hostInfo().binary === engine.hostInfo().binary);
    const error = await esm.openEngine('/nowhere').catch((e) => e);
    console.log(error.code, error.name);`);
  expect(result.stderr).toBe('');
  expect(result.stdout).toBe('true true\ntrue\nFILE_NOT_FOUND PipelineError\n');
});

test('handles that nobody holds are closed by the collector, off the main thread', async () => {
  const result = await runScript(
    `
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 60; i++) {
      const e = await engine.openEngine(model);
      const s = await e.createSession();
      await s.evaluate([1, 2, 3]);
      if (i % 10 === 9) { await new Promise(setImmediate); gc(); await new Promise((r) => setTimeout(r, 20)); }
    }
    for (let i = 0; i < 5; i++) { gc(); await new Promise((r) => setTimeout(r, 50)); }
    const { readdirSync } = require('node:fs');
    console.log(readdirSync('/proc/self/task').length < 40);
    console.log(process.memoryUsage.rss() - before < 100e6 || process.memoryUsage.rss() - before);`,
    { flags: ['--expose-gc'] },
  );
  expect(result.stderr).toBe('');
  expect(result.stdout).toBe('true\ntrue\n');
});

test('a handle is not collected while its call runs', async () => {
  const result = await runScript(
    `
    const start = async () => {${GENERATE} return s.generate(ids, { maxTokens: 100, ignoreEos: true }).result; };
    const running = start();
    const timer = setInterval(gc, 1);
    const { tokens } = await running;
    clearInterval(timer);
    console.log(tokens.length);`,
    { flags: ['--expose-gc'] },
  );
  expect(result).toMatchObject({ code: 0, stdout: '100\n', stderr: '' });
});
