import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as z from 'zod';
import { DEMO, runCli, runJson } from '../testing/run-cli.js';

const shape = z.strictObject({
  model: z.string(),
  perplexity: z.number().positive(),
  nll: z.number(),
  tokens: z.number().int().positive(),
  mode: z.enum(['dense', 'exact']),
  context: z.number().int(),
  aborted: z.literal(false),
  tps: z.number().positive(),
  ffn_active_ratio: z.number(),
  ffn_active_ratio_per_layer: z.array(z.number()).length(6),
  bytes_read: z.object({ gpu: z.number(), cpu: z.number(), flash: z.number() }),
});
const SLICE = join(DEMO, 'reference', 'valid-slice-8k.npy');

describe('thermocline eval', () => {
  it('gives the perplexity of the reference for ids', async () => {
    const result = shape.parse(await runJson(['eval', '--text', SLICE]));
    expect(result).toMatchObject({ tokens: 8192, context: 512 });
    expect(Math.abs(result.perplexity / 8.02507320621703 - 1)).toBeLessThan(1e-3);
    expect(result.nll).toBeCloseTo(Math.log(result.perplexity), 10);
  });

  it('reads documents of a text, each with its BOS', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'thermocline-eval-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'two.txt');
    const story = 'Once upon a time, there was a little girl named Lily.';
    writeFileSync(path, `${story}\n<|endoftext|>\n${story}`);
    const two = shape.parse(await runJson(['eval', '--text', path]));
    writeFileSync(path, story);
    const one = shape.parse(await runJson(['eval', '--text', path]));
    // The second document brings its own BOS, which is scored too.
    expect(two.tokens).toBe(2 * one.tokens + 1);
  });

  it('scores as many tokens as asked for, in windows as long as asked for', async () => {
    const args = ['eval', '--text', SLICE, '--tokens', '100', '--context', '64'];
    const short = shape.parse(await runJson(args));
    expect(short).toMatchObject({ tokens: 100, context: 64 });
    const dense = shape.parse(await runJson([...args, '--mode', 'dense']));
    expect(dense.nll).toBeCloseTo(short.nll, 5);
    expect(dense.bytes_read.cpu).toBeGreaterThan(short.bytes_read.cpu);
  });

  it('prints the perplexity alone for people who pipe it', async () => {
    const { code, stdout } = await runCli(['eval', '--text', SLICE, '--tokens', '64']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^perplexity \d+\.\d{4}\n$/);
  });

  it('stops at Ctrl-C and shows what there is', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'thermocline-eval-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'long.npy');
    const header = `{'descr': '|u1', 'fortran_order': False, 'shape': (2000000,), }`.padEnd(117);
    const magic = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 118, 0]);
    writeFileSync(path, Buffer.concat([magic, Buffer.from(`${header}\n`), Buffer.alloc(2e6, 33)]));
    const { code, stdout } = await runCli(['eval', '--text', path, '--json'], {
      onStart: (child) => setTimeout(() => child.kill('SIGINT'), 1500),
    });
    expect(code).toBe(130);
    // Where the machine is so slow that nothing was scored yet, there is nothing to print.
    if (stdout === '') return;
    const result = JSON.parse(stdout) as { aborted: boolean; tokens: number };
    expect(result.aborted).toBe(true);
    expect(result.tokens).toBeLessThan(2_000_000);
  });
});
