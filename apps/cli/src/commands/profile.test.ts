import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ActivationProfile, readActivationProfile } from '@thermocline/contracts';
import { afterAll, describe, expect, it } from 'vitest';
import { DATA, DEMO, ROOT, runCli, runJson } from '../testing/run-cli.js';

const folder = mkdtempSync(join(tmpdir(), 'thermocline-profile-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SLICE = join(DEMO, 'reference', 'valid-slice-8k.npy');
const STORIES = join(DEMO, 'texts', 'stories.txt');
const SHAKESPEARE = join(DEMO, 'texts', 'shakespeare.txt');
/** No scheduler around the tests is to take part in them. */
const ALONE = { JOB_COMPLETION_INDEX: '', SLURM_ARRAY_TASK_ID: '' };

let files = 0;
const newFile = () => join(folder, `${files++}.profile`);

describe('thermocline profile', { timeout: 120_000 }, () => {
  it('gives the figures of the demo model', async () => {
    const output = newFile();
    const args = ['profile', '--corpus', SLICE, '--tokens', '8192', '--kv-type', 'f32'];
    const result = (await runJson([...args, '-o', output], { env: ALONE })) as Figures;
    for (const [layer, expected] of [71.6, 68.0, 71.4, 72.3, 73.4, 73.3].entries()) {
      expect(Math.abs(percent(result.layers[layer]) - expected)).toBeLessThan(0.1);
    }
    expect(Math.abs(percent(result.whole_model) - 61.9)).toBeLessThan(0.1);
    expect(result).toMatchObject({
      path: output,
      tokens: 8192,
      shard: null,
      tokens_per_second: expect.any(Number),
      corpora: [{ name: 'valid-slice-8k.npy', tokens: 8192 }],
      domains: [],
    });
    const profile = await readActivationProfile(output);
    expect(profile.layers[0]?.tokens).toBe(8192);
    expect(profile.layers[0]?.coactivation).toBeDefined();
    expect(existsSync(`${output}.partial`)).toBe(false);
  });

  it('shows a picture on stdout and closes with a line on stderr', async () => {
    const output = newFile();
    const args = [
      'profile',
      '--corpus',
      SLICE,
      '--tokens',
      '600',
      '--no-coactivation',
      '-o',
      output,
    ];
    const { code, stdout, stderr } = await runCli(args, { env: ALONE });
    expect(code).toBe(0);
    expect(stdout).toMatch(/ 5 +1,024 +600 +\d+\.\d % +\d+\.\d % +█+/);
    expect(stdout).toMatch(/ all +6,144 +600/);
    expect(stderr).toMatch(/^600 tokens · .*make 80 % of the firings · written to .*\.profile$/m);
    expect((await readActivationProfile(output)).layers[0]?.coactivation).toBeUndefined();
  });

  it('counts kinds of text apart, from files and from stdin alike', async () => {
    const [named, piped] = [newFile(), newFile()];
    const args = ['profile', '--tokens', '2000', '--context', '128', '--seed', '7'];
    const result = await runJson(
      [...args, '--corpus', `tale=${STORIES}`, `play=${SHAKESPEARE}`, '-o', named],
      { env: ALONE },
    );
    expect(result).toMatchObject({
      domains: [{ name: 'tale' }, { name: 'play' }],
      domain_overlap: { top_20_percent: { whole_model: [{ a: 'tale', b: 'play' }] } },
    });
    await runJson([...args, '--corpus', 'tale=-', `play=${SHAKESPEARE}`, '-o', piped], {
      stdin: readFileSync(STORIES, 'utf8'),
      env: ALONE,
    });
    expectSameCounts(await readActivationProfile(piped), await readActivationProfile(named));
  });

  it('does a part of the run where a scheduler says which, and merges parts to the whole', async () => {
    const [whole, first, second, part, merged] = [1, 2, 3, 4, 5].map(newFile) as [
      string,
      string,
      string,
      string,
      string,
    ];
    const args = ['profile', '--corpus', STORIES, '--tokens', '3000', '--context', '256', '-o'];
    await runJson([...args, whole], { env: ALONE });
    const kubernetes = { ...ALONE, JOB_COMPLETION_INDEX: '0' };
    const made = await runJson([...args, first, '--shard', 'auto/2'], { env: kubernetes });
    expect(made).toMatchObject({ shard: { index: 0, count: 2 }, shards: [{ missing: [1] }] });
    const slurm = {
      ...ALONE,
      SLURM_ARRAY_TASK_ID: '8',
      SLURM_ARRAY_TASK_MIN: '7',
      SLURM_ARRAY_TASK_COUNT: '2',
    };
    await runJson([...args, second, '--shard', 'auto'], { env: slurm });
    await runJson([...args, part, '--shard', '1/2'], { env: ALONE });
    expectSameCounts(await readActivationProfile(second), await readActivationProfile(part));

    const { stdout } = await runCli(['profile', 'merge', first, '-o', merged]);
    expect(stdout).toMatch(/part of a run: shard 0 of 2; missing: 1/);
    // An older profile may be written over.
    const result = await runJson(['profile', 'merge', second, first, '-o', merged]);
    expect(result).toMatchObject({ inputs: 2, tokens: 3000, shards: [] });
    expectSameCounts(await readActivationProfile(merged), await readActivationProfile(whole));
    const twice = await runCli(['profile', 'merge', first, first, '-o', newFile()]);
    expect([twice.code, twice.stdout]).toEqual([2, '']);
    expect(twice.stderr).toMatch(/both hold shard 0\/2/);
  });

  it('says so when a scheduler has several tasks and all of them would read everything', async () => {
    const args = ['profile', '--corpus', SLICE, '--tokens', '64', '-o', newFile()];
    const { code, stderr } = await runCli(args, { env: { ...ALONE, JOB_COMPLETION_INDEX: '3' } });
    expect(code).toBe(0);
    expect(stderr).toMatch(/note: .*--shard auto\/N/);
  });

  it('goes on after Ctrl-C and after kill -9, to the same counts', async () => {
    const [whole, output] = [newFile(), newFile()];
    const args = ['profile', '--corpus', STORIES, SHAKESPEARE, '--tokens', '10000', '-o'];
    const partial = `${output}.partial`;
    const stopped = await runCli([...args, output], {
      env: ALONE,
      onStart: (child) =>
        once(
          () => existsSync(partial),
          700,
          () => child.kill('SIGINT'),
        ),
    });
    expect(stopped.code).toBe(130);
    expect(stopped.stdout).toBe('');
    expect(stopped.stderr).toMatch(/Stopped after [1-9]\d* tokens: progress is kept in .*partial/);
    expect(stopped.stderr).toContain('run again to go on from there.');
    expect(existsSync(output)).toBe(false);

    const killed = await runCli([...args, output], {
      env: ALONE,
      // It says where it goes on from, and then works.
      onOutput: (child, _, stderr) => {
        if (stderr.includes('Went on')) setTimeout(() => child.kill('SIGKILL'), 300);
      },
    });
    expect(killed.code).toBe(null);
    expect(existsSync(output)).toBe(false);

    const other = await runCli([...args, output, '--seed', '1'], { env: ALONE });
    expect([other.code, other.stdout]).toEqual([1, '']);
    expect(other.stderr).toMatch(/made with .*--restart.*CHECKPOINT_MISMATCH/s);

    const done = await runCli([...args, output], { env: ALONE });
    expect([done.code, done.stderr]).toEqual([
      0,
      expect.stringMatching(/Went on from .* [1-9][\d,]* tokens/),
    ]);
    expect(readdirSync(folder).filter((name) => /partial|tmp/.test(name))).toEqual([]);
    await runJson([...args, whole], { env: ALONE });
    expectSameCounts(await readActivationProfile(output), await readActivationProfile(whole));
  });

  it.each([
    [[], /--corpus/],
    [['--corpus', SLICE], /-o FILE/],
    [['--corpus', SLICE, '-o', SLICE], /is read/],
    [['--corpus', SLICE, '-o', join(ROOT, 'LICENSE')], /is no profile/],
    [['--corpus', SLICE, '-o', 'x', '--shard', '2/2'], /0 ≤ I < N/],
    [['--corpus', SLICE, '-o', 'x', '--shard', 'auto/4'], /JOB_COMPLETION_INDEX/],
    [['--corpus', SLICE, '-o', 'x', '--sparsity', '2'], /number from 0 to 1/],
    [['--corpus', SLICE, '-o', 'x', '--tokens', '0'], /whole number/],
    [['--corpus', SLICE, '-o', 'x', '--context', '100000'], /context/],
    [['--corpus', `a=${SLICE}`, STORIES, '-o', 'x'], /no domain name/],
    [['merge', '-o', 'x'], /missing required argument/],
    [['merge', SLICE], /-o FILE/],
    [['import', '-o', 'x'], /missing required argument/],
    [['import', SLICE, '-o', SLICE], /is read/],
  ])('calls %j wrong usage', async (args, message) => {
    const { code, stdout, stderr } = await runCli(['profile', ...args, '--json'], {
      cwd: folder,
      env: ALONE,
    });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(existsSync(join(folder, 'x.partial'))).toBe(false);
  });

  it.each([
    [['--corpus', 'none.txt', '-o', 'x'], /none\.txt.*FILE_NOT_FOUND/],
    [['--corpus', notText(), '-o', 'x'], /CORPUS_INVALID/],
    [['none.gguf', '--corpus', SLICE, '-o', 'x'], /none\.gguf/],
    [['--corpus', SLICE, '-o', join('none', 'x')], /none/],
    [['--corpus', SLICE, '-o', 'x', '--mode', 'predicted'], /MODE_UNSUPPORTED/],
    [['merge', SLICE, '-o', 'x'], /ARTIFACT/],
    [['merge', 'none', '-o', 'x'], /FILE_NOT_FOUND/],
    [['import', 'none.npy', '-o', 'x'], /FILE_NOT_FOUND/],
    [['import', notText(), '-o', 'x'], /ARTIFACT/],
  ])('fails at %j and says why', async (args, message) => {
    const { code, stdout, stderr } = await runCli(['profile', ...args, '--json'], {
      cwd: folder,
      env: ALONE,
    });
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(message);
    expect(existsSync(join(folder, 'x'))).toBe(false);
  });

  it('imports counts of another program', async () => {
    const output = newFile();
    const counts = join(DEMO, 'reference', 'fires-8k.npy');
    const args = ['profile', 'import', counts, '--tokens', '8192', '-o', output];
    const result = (await runJson(args)) as { whole_model: { neurons_for_80_percent: number } };
    expect(result.whole_model.neurons_for_80_percent).toBeCloseTo(0.619, 3);
    expect(result).toMatchObject({ inputs: 1, tokens: 8192, path: output });
    const { stderr } = await runCli(['profile', 'import', counts, '-o', output]);
    expect(stderr).toMatch(/note: .*Say --tokens N/);
    const opt = join(DEMO, 'reference', 'opt', 'Llama-OPT-Stories-1M-f16.gguf');
    const other = await runCli(['profile', 'import', counts, '--model', opt, '-o', output]);
    expect([other.code, other.stdout]).toEqual([1, '']);
    expect(other.stderr).toMatch(/4 layers.*ARTIFACT_MODEL_MISMATCH/);
  });

  const REAL = join(DATA, 'demo-model', 'activation-counts.u32');
  it.skipIf(!existsSync(REAL))(`imports raw numbers (skipped without ${REAL})`, async () => {
    const args = ['profile', 'import', REAL, '--tokens', '65536', '-o', newFile()];
    const { layers, whole_model } = (await runJson(args)) as Figures;
    for (const [layer, expected] of [72.4, 69.0, 72.0, 73.0, 74.5, 74.8].entries()) {
      expect(Math.abs(percent(layers[layer]) - expected)).toBeLessThan(0.2);
    }
    expect(Math.abs(percent(whole_model) - 62.4)).toBeLessThan(0.2);
  });

  it('does not take a model for a place to write to', async () => {
    const model = join(folder, 'model.gguf');
    copyFileSync(join(DEMO, 'reference', 'opt', 'Llama-OPT-Stories-1M-f16.gguf'), model);
    const { code, stderr } = await runCli(['profile', model, '--corpus', SLICE, '-o', model], {
      env: ALONE,
    });
    expect(code).toBe(2);
    expect(stderr).toMatch(/is read/);
  });
});

interface Figures {
  layers: { neurons_for_80_percent: number }[];
  whole_model: { neurons_for_80_percent: number };
}

function percent(one: Figures['whole_model'] | undefined): number {
  return (one?.neurons_for_80_percent ?? Number.NaN) * 100;
}

/** A file that is no text. */
function notText(): string {
  return join(DEMO, 'reference', 'opt', 'Llama-OPT-Stories-1M-f16.gguf');
}

/** Does something `delayMs` after a condition first holds. */
function once(condition: () => boolean, delayMs: number, action: () => void): void {
  const timer = setInterval(() => {
    if (!condition()) return;
    clearInterval(timer);
    setTimeout(action, delayMs);
  }, 20);
  timer.unref();
}

/** Requires the bits of everything that is counted; sums depend on the order of addition. */
function expectSameCounts(actual: ActivationProfile, expected: ActivationProfile): void {
  const counted = ({ layers, domains, shards }: ActivationProfile) => ({
    layers: layers.map(({ absSum: _, contribution: __, ...rest }) => rest),
    domains,
    shards,
  });
  expect(counted(actual)).toEqual(counted(expected));
}
