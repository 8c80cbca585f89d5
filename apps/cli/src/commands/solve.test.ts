import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeActivationProfile } from '@thermocline/contracts';
import { inspectModel } from '@thermocline/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO, runCli, runJson } from '../testing/run-cli.js';

const MIB = 2 ** 20;
const SMALL = ['--hardware', 'rtx-2080ti-pc', '--vram', '8MiB', '--ram', '14MiB'];

const folder = mkdtempSync(join(tmpdir(), 'thermocline-solve-'));
const profile = join(folder, 'demo.profile.safetensors');
const plan = join(folder, 'demo.plan.safetensors');

beforeAll(async () => {
  const { info, fingerprint } = await inspectModel(
    join(DEMO, 'model', 'Llama-ReGLU-Stories-8M-f16.gguf'),
  );
  if (info === null) throw new Error('the demo model is not understood');
  // A made-up but uneven profile: neuron i fires on about 1 in (i + 2) tokens.
  const fires = BigInt64Array.from({ length: 1024 }, (_, i) => BigInt(Math.round(8192 / (i + 2))));
  const layers = info.n_ff.map(() => ({ tokens: 8192, fires }));
  await writeActivationProfile(profile, { fingerprint, model: info, corpora: [], layers });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Solved {
  solve_ms: number;
  objective: number;
  objective_name: string;
  bound: number;
  gap: number;
  predicted_tps: number;
  seconds_per_token: number;
  parts: { seconds: number }[];
  tiers: Record<'gpu' | 'cpu' | 'flash', { budget_bytes: number; used_bytes: number }>;
  layers: { neurons: Record<string, number> }[];
}

describe('thermocline solve', () => {
  it('keeps every budget and says how good the plan is', async () => {
    const solved = (await runJson(['solve', profile, ...SMALL])) as Solved;
    expect(solved.solve_ms).toBeGreaterThan(0);
    expect(solved.objective_name).toBe('latency');
    expect(solved.bound).toBeLessThanOrEqual(solved.objective);
    const gap = (solved.objective - solved.bound) / solved.objective;
    expect(solved.gap).toBeCloseTo(gap, 9);
    expect(solved.predicted_tps).toBeCloseTo(1 / solved.seconds_per_token, 6);
    const sum = solved.parts.reduce((total, { seconds }) => total + seconds, 0);
    expect(sum).toBeCloseTo(solved.seconds_per_token, 9);
    const { gpu, cpu, flash } = solved.tiers;
    expect([gpu.budget_bytes, cpu.budget_bytes]).toEqual([8 * MIB, 14 * MIB]);
    for (const tier of [gpu, cpu, flash]) {
      expect(tier.used_bytes).toBeLessThanOrEqual(tier.budget_bytes);
    }
    for (const { neurons } of solved.layers) {
      expect(Object.values(neurons).reduce((a, b) => a + b)).toBe(1024);
    }
  });

  it('explains itself to people', async () => {
    const { code, stdout, stderr } = await runCli(['solve', profile, ...SMALL, '-o', plan]);
    expect(code).toBe(0);
    expect(stderr).toContain('fire together');
    expect(stdout).toMatch(/predicted [\d,]+ tokens\/s/);
    expect(stdout).toMatch(/what binds: the FFN waits for .*memory (is|are) full/);
    expect(stdout).toMatch(/one more GiB of VRAM would give/);
    expect(stdout).toMatch(/at most .* % from the best possible \(objective latency\)/);
    const inspected = await runJson(['inspect', plan]);
    expect(inspected).toMatchObject({ kind: 'plan', objective_name: 'latency' });
  });

  it('solves for the objective of the paper', async () => {
    const impact = (await runJson(['solve', profile, ...SMALL, '--objective', 'impact'])) as Solved;
    expect(impact.objective_name).toBe('impact');
    expect(impact.bound).toBeGreaterThanOrEqual(impact.objective);
  });

  it('makes plans that a model runs with, within the budget they are for', async () => {
    const made = ['--hardware', 'rtx-2080ti-pc', '--vram', '0', '--ram', '64MiB', '-o', plan];
    expect((await runCli(['solve', profile, ...made])).code).toBe(0);
    const run = ['run', '-p', 'Once upon a time', '-n', '8', '--kv-type', 'f32'];
    const planned = (await runJson([...run, '--plan', plan])) as {
      tokens: number[];
      tiers: unknown;
    };
    const plain = (await runJson(run)) as { tokens: number[] };
    expect(planned.tokens).toEqual(plain.tokens);
    expect(planned.tiers).toMatchObject({ cpu: { budget_bytes: 64 * MIB } });

    const other = await runCli([...run, '--plan', plan, '--ram', '32MiB']);
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(/solved for 64\.0 MiB on cpu, and 32\.0 MiB is asked for/);
    const model = join(DEMO, 'reference', 'opt', 'Llama-OPT-Stories-1M-f16.gguf');
    const foreign = await runCli(['run', model, '-p', 'Once', '--plan', plan]);
    expect(foreign.code).toBe(1);
    expect(foreign.stderr).toContain('fingerprint');
  });

  it.each([
    [['--hardware', 'rtx-9999'], 2, /rtx-4090-pc/],
    [['--hardware', './nothing.json'], 1, /nothing\.json/],
    [['--hardware', 'rtx-2080ti-pc', '--vram', '64GiB'], 1, /gpu budget/],
    [
      ['--hardware', 'rtx-2080ti-pc', '--vram', '0', '--ram', '1MiB'],
      1,
      /take \d+ bytes of memory/,
    ],
    [['--objective', 'speed'], 2, /latency/],
    [['--hardware', 'rtx-2080ti-pc', '-o', profile], 2, /is read/],
  ])('refuses %j', async (options, code, words) => {
    const result = await runCli(['solve', profile, ...options]);
    expect(result.code).toBe(code);
    expect(result.stdout).toBe('');
    expect(result.stderr).toMatch(words);
  });
});

describe('thermocline estimate', () => {
  it('answers from a header, and says that it is an estimate', async () => {
    const options = ['--hardware', 'rtx-4090-pc'];
    const { stdout, code } = await runCli(['estimate', ...options]);
    expect(code).toBe(0);
    expect(stdout).toContain('This is an estimate');
    expect(stdout).toMatch(/mode exact: yes, all of it on the GPU/);
    const estimate = await runJson(['estimate', ...options]);
    expect(estimate).toMatchObject({
      is_estimate: true,
      hardware: 'rtx-4090-pc',
      modes: [
        { mode: 'exact', verdict: 'gpu', runs: true, missing: null },
        { mode: 'predicted', verdict: 'gpu', runs: true },
      ],
    });
  });

  it('says what is missing where a model does not run', async () => {
    const options = ['--hardware', 'rtx-4090-pc', '--vram', '0', '--ram', '2MiB'];
    const estimate = await runJson(['estimate', ...options]);
    expect(estimate).toMatchObject({
      modes: [{ verdict: 'nowhere', runs: false, missing: { tier: 'cpu' } }, {}],
    });
  });
});
