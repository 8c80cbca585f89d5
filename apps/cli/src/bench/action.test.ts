import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readBenchmark } from '@thermocline/bench';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';
import { BIN, DEMO, ROOT } from '../testing/run-cli.js';

// The parts of GitHub's syntax for composite actions that this one uses.
const input = z.strictObject({ description: z.string().min(1), default: z.string() });
const step = z.union([
  z.strictObject({
    id: z.string(),
    shell: z.literal('bash'),
    run: z.string(),
    env: z.record(z.string().regex(/^[A-Z_]+$/), z.string()),
  }),
  z.strictObject({
    if: z.string(),
    uses: z.string().regex(/^[\w-]+\/[\w-]+@v\d+$/),
    with: z.record(z.string(), z.union([z.string(), z.number()])),
  }),
]);
const action = z.strictObject({
  name: z.string(),
  description: z.string(),
  branding: z.strictObject({ icon: z.string(), color: z.string() }),
  inputs: z.record(z.string(), input),
  outputs: z.record(z.string(), z.strictObject({ description: z.string(), value: z.string() })),
  runs: z.strictObject({ using: z.literal('composite'), steps: z.array(step) }),
});

const ACTION = join(ROOT, '.github', 'actions', 'bench');
const text = readFileSync(join(ACTION, 'action.yml'), 'utf8');

it('is a composite action whose expressions name its own inputs and steps', () => {
  const { inputs, outputs, runs } = action.parse(parse(text));
  const named = [...text.matchAll(/inputs\.(\w+)/g)].map(([, name]) => name as string);
  expect([...new Set(named)].sort()).toEqual(Object.keys(inputs).sort());
  const ids = runs.steps.flatMap((one) => ('id' in one ? [one.id] : []));
  for (const [, id] of text.matchAll(/steps\.(\w+)\.outputs/g)) expect(ids).toContain(id);
  const script = readFileSync(join(ACTION, 'bench.sh'), 'utf8');
  for (const name of Object.keys(outputs)) expect(script).toContain(`${name}=`);
  const [first] = runs.steps;
  for (const name of Object.keys(first && 'env' in first ? first.env : {})) {
    expect(script).toContain(name);
  }
});

it('is used in the documentation with inputs that it has', () => {
  const page = readFileSync(join(ROOT, 'docs', 'bench.md'), 'utf8');
  const workflow = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] as string;
  const { jobs } = z
    .object({
      jobs: z.record(z.string(), z.object({ steps: z.array(z.record(z.string(), z.unknown())) })),
    })
    .parse(parse(workflow));
  const { inputs } = action.parse(parse(text));
  const uses = Object.values(jobs)
    .flatMap(({ steps }) => steps)
    .filter((one) => String(one['uses']).includes('.github/actions/bench@'));
  expect(uses).toHaveLength(2);
  for (const { with: given } of uses) {
    expect(Object.keys(inputs)).toEqual(expect.arrayContaining(Object.keys(given as object)));
  }
});

const usable = spawnSync('bash', ['--version']).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'thermocline action-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name);
const MODEL = join(DEMO, 'model', 'Llama-ReGLU-Stories-8M-f16.gguf');

function runScript(env: Record<string, string>) {
  for (const name of ['output', 'summary']) writeFileSync(path(name), '');
  const { status, stderr } = spawnSync('bash', [join(ACTION, 'bench.sh')], {
    cwd: folder,
    encoding: 'utf8',
    env: {
      PATH: process.env['PATH'] ?? '',
      GITHUB_OUTPUT: path('output'),
      GITHUB_STEP_SUMMARY: path('summary'),
      BENCH_COMMAND: `${process.execPath} ${BIN}`,
      BENCH_ARGS: '--mode dense --threads 1 --prompt-tokens 8 --generate 4 --idle-wait 0',
      ...env,
    },
  });
  const [output, summary] = ['output', 'summary'].map((name) => readFileSync(path(name), 'utf8'));
  return { status, stderr, output, summary };
}

describe('its script', () => {
  beforeAll(() => {
    if (!usable) console.warn('skipped: bash is not here, which the action needs');
  });

  it.skipIf(!usable)('measures, and compares with a baseline where there is one', async () => {
    const first = runScript({ BENCH_MODEL: `${MODEL}\n`, BENCH_BASELINE: path('none.json') });
    expect(first.status, first.stderr).toBe(0);
    expect(first.output).toBe('result=thermocline-benchmark.json\nverdict=none\n');
    expect(first.summary).toMatch(/without a baseline[\s\S]*decode tok\/s/);

    const faster = await readBenchmark(path('thermocline-benchmark.json'));
    for (const { rounds } of faster.cases) {
      for (const round of rounds) {
        round.decode_tokens_per_second = round.decode_tokens_per_second.map((tps) => 100 * tps);
      }
    }
    writeFileSync(path('base.json'), JSON.stringify(faster));
    const second = runScript({ BENCH_BASELINE: path('base.json'), BENCH_OUTPUT: 'second.json' });
    expect(second.status).toBe(1);
    expect(second.output).toBe('result=second.json\nverdict=slower\n');
    expect(second.summary).toMatch(/### ❌ Benchmark.*slower/);
  });

  it.skipIf(!usable)('passes a failure on', () => {
    const { status, output, summary } = runScript({
      BENCH_MODEL: 'no such.gguf',
      BENCH_OUTPUT: 'x.json',
    });
    expect(status).toBe(1);
    expect(output).toBe('');
    expect(summary).toMatch(/failed with exit code 1/);
    expect(existsSync(path('x.json'))).toBe(false);
  });
});
