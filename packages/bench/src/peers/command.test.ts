import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { TimeLimitError } from '../process/run-program.js';
import type { Workload } from '../workload.js';
import { commandPeer } from './command.js';

const folder = mkdtempSync(join(tmpdir(), 'thermocline command-'));
mkdirSync(join(folder, 'my models'));
afterAll(() => rmSync(folder, { recursive: true }));

const work: Workload = {
  model: join(folder, 'my models', 'a "b" $HOME.gguf'),
  vocabulary: { size: 100, bos: 1 },
  mode: 'dense',
  threads: 2,
  batch: 1,
  context: 0,
  promptTokens: 64,
  generate: 16,
  decode: 'forced',
  kvType: 'f16',
  seed: 0,
  leastMs: 0,
};
const alone = { idleWaitMs: 0 };

/** A program of its own, as a template names it. */
function script(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return `"${process.execPath}" "${path}"`;
}

// What llama-bench prints with `-o json`, with its arguments as the figures.
const LLAMA_BENCH = `
const [, , model, threads, prompt, generate] = process.argv;
console.log('ggml: some words before');
console.log(JSON.stringify([
  { build_commit: '1a2b3c', n_threads: +threads, n_prompt: +prompt, n_gen: 0, avg_ts: 2, samples_ts: [+prompt, 2 * prompt] },
  { build_commit: '1a2b3c', n_prompt: 0, n_gen: +generate, samples_ts: [model.length] },
], null, 2));`;

it("fills the template in and reads llama-bench's JSON", async () => {
  const peer = commandPeer(
    `${script('bench.cjs', LLAMA_BENCH)} {model} {threads} {prompt} {generate}`,
  );
  expect([...peer.takes]).toEqual(['threads']);
  const { answer } = await peer.measure(work, alone);
  expect(answer).toMatchObject({
    about: 'llama-bench 1a2b3c',
    prefillTokensPerSecond: [64, 128],
    decodeTokensPerSecond: [work.model.length],
  });
});

it('reads what a pattern names', async () => {
  const text = `console.log('prompt 120.5 tok/s\\ngen: 33.25 tok/s, loaded in 90 ms')`;
  const pattern = 'prompt (?<prefill>[\\d.]+).*gen: (?<decode>[\\d.]+).*in (?<load_ms>\\d+)';
  const peer = commandPeer(script('words.cjs', text), pattern);
  const { answer } = await peer.measure(work, alone);
  expect(answer).toMatchObject({
    prefillTokensPerSecond: [120.5],
    decodeTokensPerSecond: [33.25],
    loadMs: 90,
  });
});

it('reports a crash with its last words, and output that says nothing', async () => {
  const crash = commandPeer(script('crash.cjs', `console.error('no such model'); process.exit(3)`));
  await expect(crash.measure(work, alone)).rejects.toThrow('ended with exit code 3: no such model');
  const silent = commandPeer(script('silent.cjs', `console.log('hello')`));
  await expect(silent.measure(work, alone)).rejects.toThrow(/not llama-bench's JSON/);
  const other = commandPeer(script('other.cjs', `console.log('hello')`), '(?<decode>\\d+)');
  await expect(other.measure(work, alone)).rejects.toThrow(/no speed of prefill or decode/);
  const absent = commandPeer(join(folder, 'absent').replaceAll(' ', '\\ '));
  await expect(absent.measure(work, alone)).rejects.toThrow(/ENOENT/);
});

it('ends a program that stalls, and its children with it', async () => {
  const pidFile = join(folder, 'pid');
  const child = `setInterval(() => {}, 1000)`;
  const text = `
    const child = require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(child)}]);
    require('node:fs').writeFileSync(${JSON.stringify(pidFile)}, String(child.pid));
    setInterval(() => {}, 1000);`;
  const peer = commandPeer(script('stall.cjs', text));
  const stalled = peer.measure(work, { ...alone, timeLimitMs: 1500 });
  await expect(stalled).rejects.toBeInstanceOf(TimeLimitError);
  const pid = Number(readFileSync(pidFile, 'utf8'));
  await expect.poll(() => isRunning(pid)).toBe(false);
});

it.each([
  ['', undefined, /names no program/],
  ['bench {modle}', undefined, /\{modle\} means nothing/],
  ['bench', '(', /pattern does not compile/],
])('refuses the template %j with pattern %j', (template, pattern, message) => {
  expect(() => commandPeer(template, pattern)).toThrow(message);
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A child whose parent is gone may stay as a zombie where nobody reaps it.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
