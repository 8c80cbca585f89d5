import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Benchmark, readBenchmark } from '@thermocline/bench';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CTRL_C, onTerminal, terminalMissing } from '../testing/on-terminal.js';
import { runCli, runJson } from '../testing/run-cli.js';

const folder = mkdtempSync(join(tmpdir(), 'thermocline-bench-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name);

const SHORT = ['--threads', '1', '--prompt-tokens', '24', '--generate', '6', '--idle-wait', '0'];
// A peer that is a real program: it prints what llama-bench prints.
const PEER_ROWS = `[{ build_commit: 'b1', n_prompt: 24, n_gen: 0, samples_ts: [50] }, { n_prompt: 0, n_gen: 6, samples_ts: [25] }]`;
writeFileSync(path('peer.cjs'), `console.log(JSON.stringify(${PEER_ROWS}))`);
const PEER = ['--peer-command', `"${process.execPath}" "${path('peer.cjs')}" {model} {threads}`];

describe('thermocline bench', () => {
  let stdout: string;
  beforeAll(async () => {
    const files = ['-o', path('run.json'), '--csv', path('run.csv'), '--html', path('run.html')];
    const result = await runCli(['bench', ...SHORT, ...PEER, '--rounds', '3', ...files]);
    expect(result.code, result.stderr).toBe(0);
    stdout = result.stdout;
  });

  it('shows modes and peers side by side', () => {
    expect(stdout).toMatch(/engine\s+prefill tok\/s .*decode × node/);
    expect(stdout).toMatch(/\n {2}dense .*×\n {2}exact .*×\n {2}node\s+50\s+25\s.*\n/);
    expect(stdout).toMatch(/Medians of 3 rounds, .*24 tokens, decode of given tokens/);
  });

  it('writes everything into a file, with the raw values', async () => {
    const benchmark = await readBenchmark(path('run.json'));
    expect(benchmark).toMatchObject({ complete: true, made_by: { tool: 'thermocline' } });
    const engines = benchmark.cases.map(({ engine, mode, about }) => [engine, mode, about]);
    expect(engines[2]).toEqual(['node', 'dense', 'llama-bench b1']);
    for (const { rounds, status } of benchmark.cases) {
      expect(status).toBe('done');
      expect(rounds).toHaveLength(3);
    }
  });

  it('writes a row of CSV for each round', () => {
    const lines = readFileSync(path('run.csv'), 'utf8').trimEnd().split('\n');
    expect(lines).toHaveLength(1 + 9);
    const [head, ...rows] = lines.map((line) => line.replace(/"[^"]*"/g, 'quoted').split(','));
    const column = head?.indexOf('decode_tokens_per_second') as number;
    expect(rows.slice(-1)[0]?.[column]).toBe('25');
    expect(rows.every((row) => row.length === head?.length)).toBe(true);
  });

  it('draws a page, and inspect draws it again', async () => {
    const page = readFileSync(path('run.html'), 'utf8');
    expect(page).toContain('Bandwidth of decode against the roof');
    expect(page).not.toMatch(/NaN|undefined/);
    const figure = ['--svg', path('run.svg')];
    const { code, stdout: shown } = await runCli(['inspect', path('run.json'), ...figure]);
    expect(code).toBe(0);
    expect(shown).toContain('Medians of 3 rounds');
    expect(readFileSync(path('run.svg'), 'utf8')).toMatch(/<svg [\s\S]*node[\s\S]*<\/svg>/);
  });

  it('compares: nothing changed, and then something is slower', async () => {
    await writeSteady('before.json', 100);
    await writeSteady('same.json', 101);
    await writeSteady('slow.json', 50);
    const same = await runCli(['bench', 'compare', path('before.json'), path('same.json')]);
    expect(same.code, same.stderr).toBe(0);
    expect(same.stdout).toMatch(/6 figures: 6 same/);
    const args = ['bench', 'compare', path('before.json'), path('slow.json')];
    const markdown = await runCli([...args, '--threshold', '10%', '--markdown']);
    expect(markdown.code).toBe(1);
    expect(markdown.stdout).toMatch(/^### ❌ Benchmark: .*6 slower/);
    expect(markdown.stdout).toMatch(/\| dense \| 1 thread \| decode tok\/s \|.*−50 %.*slower \|/);
    const json = await runCli([...args, '--json']);
    expect(json.code).toBe(1);
    // Two figures are the peer's, which is not ours to make faster.
    expect(JSON.parse(json.stdout)).toMatchObject({ failed: 4, threshold: 0.05 });
  });

  it('refuses to compare what is not alike', async () => {
    const { code, stderr } = await runCli(['bench', 'compare', path('run.json'), path('run.csv')]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/run\.csv/);
    const other = await readBenchmark(path('run.json'));
    other.options.generate += 1;
    writeFileSync(path('other.json'), JSON.stringify(other));
    const refused = await runCli(['bench', 'compare', path('run.json'), path('other.json')]);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('generate is 6') });
  });
});

it('prints one object with --json, and fails when nothing could be measured', async () => {
  const args = ['bench', ...SHORT, '--rounds', '1', '--mode', 'dense', '--context', '0,600'];
  const benchmark = (await runJson(args)) as Benchmark;
  expect(benchmark.cases.map(({ status }) => status)).toEqual(['done', 'skipped']);
  const failed = await runCli(['bench', ...SHORT, '--rounds', '1', '--mode', 'threshold']);
  expect(failed.code).toBe(1);
  expect(failed.stdout).toMatch(/failed: thermocline, threshold.*predictor set/);
});

it('keeps what there is on Ctrl-C, and leaves no half file', async () => {
  const target = path('stopped.json');
  const args = ['bench', ...SHORT, '--rounds', '200', '--mode', 'dense', '-o', target];
  const { code } = await runCli(args, {
    onStart: (child) => setTimeout(() => child.kill('SIGINT'), 5000),
  });
  expect(code).toBe(130);
  const { complete, cases } = await readBenchmark(target);
  expect(complete).toBe(false);
  expect(cases[0]?.status).toBe('stopped');
  expect(readdirSync(folder).filter((name) => name.includes('.tmp'))).toEqual([]);
});

it.skipIf(terminalMissing())('shows how far it is on a terminal, and stops there', async () => {
  const args = ['bench', ...SHORT, '--rounds', '200', '--mode', 'dense'];
  const steps = [
    { expect: 'round 2: thermocline' },
    { send: CTRL_C },
    { expect: 'Stopped before' },
  ];
  const { code, output, failed } = await onTerminal(args, steps);
  expect(failed, output).toBeNull();
  expect(code).toBe(130);
  expect(output).toContain('Measuring');
});

it.each([
  [['--mode', 'fast'], /There are dense, exact/],
  [['--threads', '1,x'], /whole number, 1 or more/],
  [['--peer', 'vllm'], /no peer "vllm"/],
  [['--peer', 'node-llama-cpp=/nowhere'], /not installed in \/nowhere/],
  [['--peer-url', 'localhost'], /no address of a server/],
  [['--peer-key-env', 'X', '--peer-url', 'http://localhost:1'], /variable X is not set/],
  [['--peer-pattern', 'x'], /give both/],
  [['--csv', path('peer.cjs')], /no table of bench/],
  [['-o', path('peer.cjs')], /no benchmark/],
])('refuses %j', async (args, message) => {
  const { code, stderr } = await runCli(['bench', ...args]);
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});

/** The run with speeds that differ little from round to round. */
async function writeSteady(name: string, speed: number): Promise<void> {
  const benchmark = await readBenchmark(path('run.json'));
  for (const { rounds } of benchmark.cases) {
    for (const round of rounds) {
      round.decode_tokens_per_second = [speed + round.round / 10];
      round.prefill_tokens_per_second = [speed + round.round / 10];
    }
  }
  writeFileSync(path(name), JSON.stringify(benchmark));
}
