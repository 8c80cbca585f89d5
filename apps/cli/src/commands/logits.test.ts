import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { DEMO, runCli, runJson } from '../testing/run-cli.js';

const shape = z.strictObject({
  model: z.string(),
  mode: z.enum(['dense', 'exact']),
  measured_loss: z.null(),
  context: z.literal(512),
  context_source: z.string(),
  tokens: z.array(z.number().int()),
  top: z.array(z.strictObject({ id: z.number().int(), text: z.string(), logit: z.number() })),
});
const reference = JSON.parse(readFileSync(join(DEMO, 'reference', 'reference.json'), 'utf8'));
const { prompt, ids, top10 } = reference.prompts[0] as {
  prompt: string;
  ids: number[];
  top10: { id: number; logit: number }[];
};

describe('thermocline logits', () => {
  it('gives the reference for a text', async () => {
    const result = shape.parse(await runJson(['logits', '--prompt', prompt]));
    expect(result.tokens).toEqual(ids);
    expect(result.top[0]).toMatchObject({ id: 778, text: ' girl' });
    for (const [index, { id, logit }] of result.top.entries()) {
      expect(id).toBe(top10[index]?.id);
      expect(logit).toBeCloseTo(top10[index]?.logit ?? Number.NaN, 2);
    }
  });

  it('takes ids as they are', async () => {
    const args = ['logits', '--tokens', ids.slice(1).join(','), '--top', '3'];
    const result = shape.parse(await runJson(args));
    expect(result.tokens).toEqual(ids.slice(1));
    expect(result.top).toHaveLength(3);
  });

  it('draws a table for people', async () => {
    const { stdout } = await runCli(['logits', '-p', prompt, '--top', '2']);
    expect(stdout).toMatch(/^ +778 +12\.\d+ +█+.* +" girl"\n/);
  });
});
