import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { onTerminal, terminalMissing } from '../testing/on-terminal.js';
import { BIN, DEMO, runCli, runJson } from '../testing/run-cli.js';

const ratio = z.number().min(0).max(1);
const tier = z.object({
  budget_bytes: z.number().nullable(),
  planned_bytes: z.number(),
  used_bytes: z.number(),
  peak_bytes: z.number(),
  uses: z.record(z.string(), z.number()),
  bytes_read_per_token: z.number().nullable(),
  ffn_bytes_read_per_token: z.number().nullable(),
});
const shape = z.strictObject({
  model: z.string().min(1),
  path: z.string(),
  mode: z.enum(['dense', 'exact']),
  predictors: z.null(),
  measured_loss: z.null(),
  threads: z.number().int().positive(),
  kernels: z.string(),
  context: z.literal(512),
  context_source: z.string().min(1),
  kv_type: z.enum(['f16', 'f32']),
  seed: z.number(),
  prompt_tokens: z.number().int(),
  prompt_ids: z.array(z.number().int()),
  tokens: z.array(z.number().int()),
  text: z.string(),
  finish_reason: z.enum(['eos', 'stop', 'length', 'context', 'aborted']),
  prefill_tps: z.number().positive(),
  decode_tps: z.number().positive().nullable(),
  first_token_ms: z.number().positive().nullable(),
  ms_per_token: z.object({ p50: z.number().nullable(), p99: z.number().nullable() }),
  ffn_active_ratio: ratio,
  ffn_active_ratio_per_layer: z.array(ratio).length(6),
  ffn_computed_ratio: ratio,
  tiers: z.object({ gpu: tier, cpu: tier, flash: tier }),
  load: z.strictObject({
    file_bytes: z.number().positive(),
    seconds: z.number().positive(),
    cached_bytes: z.number(),
    cache_fallback: z.string().nullable(),
    staging_bytes: z.number().positive(),
    weight_bytes: z.number().positive(),
    huge_page_bytes: z.number().nullable(),
  }),
  notices: z.array(z.string()),
});

const PROMPT = 'Once upon a time, there was a little';
const reference = JSON.parse(readFileSync(join(DEMO, 'reference', 'reference.json'), 'utf8'));
const expected = reference.prompts[0] as { ids: number[]; greedy_ids: number[] };

describe('thermocline run', () => {
  it('prints one JSON object, with the tokens of the reference', async () => {
    const run = shape.parse(await runJson(['run', '-p', PROMPT, '-n', '11']));
    expect(run.prompt_ids).toEqual(expected.ids);
    expect(run.prompt_tokens).toBe(expected.ids.length);
    // Up to the step where the reference itself is undecided.
    expect(run.tokens).toEqual(expected.greedy_ids.slice(0, 11));
    expect(run.text).toMatch(/^ girl named Lily\./);
    expect(run).toMatchObject({ mode: 'exact', finish_reason: 'length' });
    expect(run.ffn_active_ratio).toBeGreaterThan(0.05);
    expect(run.ffn_active_ratio).toBeLessThan(0.25);
    expect(run.tiers.cpu.used_bytes).toBeGreaterThan(16e6);
    expect(run.tiers.cpu.peak_bytes).toBeGreaterThanOrEqual(run.tiers.cpu.used_bytes);
  });

  it('reads fewer FFN bytes in exact mode than in dense, and writes the same', async () => {
    const args = ['run', '-p', PROMPT, '-n', '20', '--temp', '0.7', '--seed', '3', '--mode'];
    const exact = shape.parse(await runJson([...args, 'exact']));
    const dense = shape.parse(await runJson([...args, 'dense']));
    expect(exact.tokens).toEqual(dense.tokens);
    const bytes = (run: typeof exact) => run.tiers.cpu.ffn_bytes_read_per_token ?? Number.NaN;
    expect(bytes(exact)).toBeLessThan(0.6 * bytes(dense));
  });

  it('writes nothing but the text into a pipe, and the figures to stderr', async () => {
    const { code, stdout, stderr } = await runCli(['run', '-p', PROMPT, '-n', '8']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ girl named Lily\. She/);
    expect(stderr).toMatch(/layer 5 .* of 1024/);
    const line = stderr.trimEnd().split('\n').at(-1);
    expect(line).toMatch(/^8 tokens · .* tokens\/s · first token .* · peak memory cpu .*MiB/);
    expect(line).toMatch(/ · 0 B read from flash · .* % of neurons fired · context 18\/512 \(/);
    expect(stdout + stderr).not.toContain('\x1b');
  });

  it('uses colours in a pipe only when told to, and never with NO_COLOR', async () => {
    const args = ['run', '-p', PROMPT, '-n', '2'];
    const forced = await runCli(args, { env: { FORCE_COLOR: '1', NO_COLOR: '' } });
    expect(forced.stderr).toContain('\x1b[');
    const both = await runCli(args, { env: { FORCE_COLOR: '1', NO_COLOR: '1' } });
    expect(both.stderr).not.toContain('\x1b');
  });

  it('reads the prompt from stdin and leaves out one line break at its end', async () => {
    const run = shape.parse(await runJson(['run', '-p', '-', '-n', '1'], { stdin: `${PROMPT}\n` }));
    expect(run.prompt_ids).toEqual(expected.ids);
  });

  it('ends before a stop text', async () => {
    const run = shape.parse(await runJson(['run', '-p', PROMPT, '-n', '40', '--stop', 'Lily']));
    expect(run).toMatchObject({ finish_reason: 'stop', text: ' girl named ' });
  });

  it('takes paths from where the caller is', async () => {
    const name = 'Llama-OPT-Stories-1M-f16.gguf';
    const env = { INIT_CWD: join(DEMO, 'reference', 'opt') };
    const args = ['run', name, '-p', PROMPT, '-n', '2', '--json'];
    const { code, stdout } = await runCli(args, { env, cwd: '/' });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ context: 256, finish_reason: 'length' });
  });

  it('fills the context, says so, and stops there', async () => {
    const args = ['run', '-p', PROMPT, '-n', '100', '--context', '32', '--ignore-eos'];
    const { code, stderr } = await runCli(args);
    expect(code).toBe(0);
    expect(stderr).toMatch(/the context is full/);
    expect(stderr).toMatch(/context 3\d\/32 \(/);
  });

  it('stops at Ctrl-C and shows what there is', async () => {
    let stopped = false;
    const args = ['run', '-p', PROMPT, '-n', '480', '--ignore-eos', '--threads', '1'];
    const { code, stdout, stderr } = await runCli(args, {
      onOutput(child, text) {
        if (!stopped && text.length > 0) stopped = child.kill('SIGINT');
      },
    });
    // A fast machine may finish first; then there was nothing to stop.
    expect(code === 130 || /^480 tokens/m.test(stderr)).toBe(true);
    expect(stdout).toMatch(/^ girl/);
    expect(stderr).toMatch(/\d+ tokens? · .* of neurons fired/);
  });

  it('ends quietly when nobody reads on', () => {
    const command = `"${process.execPath}" "${BIN}" run -p Once -n 100 --ignore-eos | head -c 1`;
    const { status, stdout, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(stdout).toHaveLength(1);
    expect(stderr).not.toMatch(/EPIPE|Error/);
  });

  const missing = terminalMissing();
  it.skipIf(missing !== undefined)(
    `uses colours on a terminal${missing ? ` (skipped: ${missing})` : ''}`,
    async () => {
      const { code, output } = await onTerminal(['run', '-p', PROMPT, '-n', '4'], []);
      expect(code).toBe(0);
      expect(output).toContain('\x1b[');
      expect(output).toContain(PROMPT);
    },
  );
});
