import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { writeBenchmark } from './benchmark.js';
import { commandPeer } from './peers/command.js';
import { nodeLlamaCpp } from './peers/node-llama-cpp.js';
import { runBenchmark } from './run-benchmark.js';

const short = { promptTokens: 32, generate: 8, rounds: 2, idleWaitMs: 0, leastMs: 1 };

it('measures the demo model in both of its modes, alone and in a batch', async () => {
  const { cases, machine, models, complete } = await runBenchmark({
    ...short,
    grid: { threads: [1], batch: [1, 3], context: [0] },
  });
  expect(complete).toBe(true);
  expect(models[0]).toMatchObject({ synthetic: false, arch: 'llama' });
  expect(machine.memory[0]?.bytes_per_second).toHaveLength(2);
  expect(cases.map(({ mode, batch, status }) => [mode, batch, status])).toEqual([
    ['dense', 1, 'done'],
    ['exact', 1, 'done'],
    ['dense', 3, 'done'],
    ['exact', 3, 'done'],
  ]);
  const [dense, exact, together] = cases;
  for (const { rounds, median } of cases) {
    expect(rounds.map(({ round }) => round).sort()).toEqual([0, 1]);
    expect(median.decode_tokens_per_second).toBeGreaterThan(10);
    expect(median.peak_memory_bytes).toBeGreaterThan(16e6);
    expect(median.peak_share).toBeGreaterThan(0.01);
    expect(median.ffn_peak_share).toBeGreaterThan(0.01);
    for (const { beside_reading } of rounds) {
      expect(beside_reading?.bytes_per_second).toBeGreaterThan(1e8);
    }
  }
  expect(dense?.median.prefill_tokens_per_second).toBeGreaterThan(10);
  expect(together?.median.prefill_tokens_per_second).toBeNull();
  // Lossless skipping reads less; a batch shares what it reads.
  const bytes = cases.map(({ median }) => median.bytes_per_token as number);
  expect(bytes[1]).toBeLessThan(0.8 * (bytes[0] as number));
  expect(bytes[2]).toBeLessThan(0.4 * (bytes[0] as number));
  expect(exact?.rounds[0]?.computed_share).toBeGreaterThan(0);
});

it('decodes greedily in the own loop as well', async () => {
  const { cases } = await runBenchmark({
    ...short,
    modes: ['dense'],
    rounds: 1,
    promptTokens: 0,
    decode: 'greedy',
    grid: { threads: [1], batch: [2], context: [16] },
  });
  expect(cases[0]?.rounds[0]).toMatchObject({ prefill_tokens_per_second: [], first_token_ms: [] });
  expect(cases[0]?.median.decode_tokens_per_second).toBeGreaterThan(10);
});

it('says why a case was not measured, and goes on with the others', async () => {
  const stalls = commandPeer(`"${process.execPath}" -e "setInterval(() => 0, 1000)"`);
  const { cases, complete } = await runBenchmark({
    ...short,
    rounds: 1,
    modes: ['dense', 'threshold'],
    grid: { threads: [1], context: [0, 100_000] },
    peers: [{ ...stalls, name: 'stalls' }],
    timeLimitMs: 4000,
  });
  expect(complete).toBe(true);
  expect(cases.map(({ engine, mode, context, status }) => [engine, mode, context, status])).toEqual(
    [
      ['thermocline', 'dense', 0, 'done'],
      ['thermocline', 'threshold', 0, 'failed'],
      ['stalls', 'dense', 0, 'timed out'],
      ['thermocline', 'dense', 100_000, 'skipped'],
      ['thermocline', 'threshold', 100_000, 'skipped'],
    ],
  );
  expect(cases[1]?.reason).toMatch(/needs a predictor set|threshold/);
  expect(cases[2]?.reason).toBe('it did not end within 4 s (--time-limit)');
  expect(cases[3]?.reason).toMatch(/the model was made for 512/);
});

it('keeps what there is when it is stopped, in a form that can be written', async () => {
  const controller = new AbortController();
  const benchmark = await runBenchmark({
    ...short,
    modes: ['dense'],
    grid: { threads: [1] },
    signal: controller.signal,
    onProgress: (_, __, what) => what.startsWith('round 2') && controller.abort(),
  });
  expect(benchmark).toMatchObject({ complete: false, cases: [{ status: 'stopped' }] });
  expect(benchmark.cases[0]?.rounds).toHaveLength(1);
  await expect(writeBenchmark(join('/nowhere', 'x.json'), benchmark)).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
  });
});

it('measures llama.cpp side by side', async ({ skip }) => {
  const folder = process.env['THERMOCLINE_PEERS'];
  if (folder === undefined || !existsSync(join(folder, 'node_modules', 'node-llama-cpp'))) {
    console.warn('skipped: node-llama-cpp is not in the folder that THERMOCLINE_PEERS names');
    return skip();
  }
  const { cases } = await runBenchmark({
    ...short,
    modes: ['dense'],
    grid: { threads: [1], batch: [1, 2] },
    peers: [nodeLlamaCpp(folder)],
  });
  const theirs = cases.filter(({ engine }) => engine === 'node-llama-cpp');
  expect(theirs.map(({ status, reason }) => [status, reason])).toEqual([
    ['done', null],
    ['done', null],
  ]);
  expect(theirs[0]?.about).toMatch(/^llama\.cpp /);
  expect(theirs[0]?.median).toMatchObject({ bytes_counted_by: 'thermocline dense' });
  expect(theirs[0]?.rounds[0]?.inner_decode_tokens_per_second.length).toBeGreaterThan(0);
});

it('says how to get node-llama-cpp where it is not', () => {
  expect(() => nodeLlamaCpp('/nowhere')).toThrow(/not installed in \/nowhere.*npm install/s);
});
