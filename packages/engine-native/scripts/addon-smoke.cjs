// Takes the addon through its calls once, for a run under a sanitizer. The argument is the built
// package; the binary comes from THERMOCLINE_NATIVE_BINARY.
const assert = require('node:assert/strict');
const { join } = require('node:path');
const { isMainThread, parentPort, Worker } = require('node:worker_threads');

const PACKAGE = join(__dirname, '..');
const MODEL = join(PACKAGE, '../demo-model/reference/opt/Llama-OPT-Stories-1M-f16.gguf');
const { inspectModel, openEngine, openTokenizer, hostInfo } = require(join(PACKAGE, 'dist'));

async function useEverything() {
  assert(hostInfo().kernels.some((set) => set.chosen));
  assert((await inspectModel(MODEL)).tensors.length > 0);
  const tokenizer = await openTokenizer(MODEL);
  assert((await tokenizer.tokenize('Once upon a time')).length > 0);
  tokenizer.close();

  const engine = await openEngine(MODEL, { onProgress: () => {} });
  const prompt = await engine.tokenize('Once upon a time, there was a', { addSpecial: true });
  assert.notEqual(await engine.detokenize(prompt), '');
  const session = await engine.createSession({ context: 128 });
  let chunks = 0;
  for await (const { text } of session.generate(prompt, { maxTokens: 20, ignoreEos: true })) {
    chunks += text.length;
  }
  assert(chunks > 0);
  for await (const _ of session.generate([], { ignoreEos: true })) break;
  await session.truncate(2);
  const branch = await session.fork();
  const evaluations = await engine.step([
    { session, tokens: [5], logits: 'all' },
    { session: branch, tokens: [7, 8] },
  ]);
  assert.equal(evaluations.length, 2);
  await engine.setPlan(null);
  const windows = [1, 2, 3].map((document) => ({ tokens: prompt, document, position: 0 }));
  for await (const { values } of engine.observe(windows, { streams: ['activation', 'residual'] })) {
    assert(values.length > 0);
  }
  for await (const _ of engine.observe(windows, { streams: ['residual'], maxBufferedRows: 1 })) {
    break;
  }
  const { fires } = await engine.sum(windows);
  assert(fires.some((counts) => counts.some((count) => count > 0n)));
  await assert.rejects(session.evaluate([1 << 30]), { code: 'INVALID_ARGUMENT' });
  await assert.rejects(openEngine(__filename), { name: 'PipelineError' });
  const ends = Promise.allSettled([
    session.generate(prompt, { ignoreEos: true }).result,
    branch.evaluate(prompt),
  ]);
  await engine.close();
  await ends;
  assert.equal(engine.memory()[0].usedBytes, 0);
}

async function terminateWorkers() {
  for (let round = 0; round < 5; round++) {
    const worker = new Worker(__filename);
    await new Promise((resolve) => worker.once('message', resolve));
    await new Promise((resolve) => setTimeout(resolve, 5 * round));
    await worker.terminate();
  }
}

async function main() {
  if (!isMainThread) {
    const engine = await openEngine(MODEL);
    const session = await engine.createSession();
    parentPort.postMessage('ready');
    while (true) {
      await session.truncate(0);
      await session.generate([1, 2, 3], { ignoreEos: true }).result;
    }
  }
  await useEverything();
  await useEverything();
  await terminateWorkers();
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
