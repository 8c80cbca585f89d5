import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ROOT, runCli } from '../testing/run-cli.js';

const FIXTURES = join(ROOT, 'packages', 'predictor', 'fixtures', 'powerinfer');
const folder = mkdtempSync(join(tmpdir(), 'thermocline-import-'));
afterAll(() => rmSync(folder, { recursive: true }));

// That what is imported predicts as the original is tested where a model of its own is at hand:
// packages/predictor and packages/runtime.
describe('thermocline train import', () => {
  it.each([
    ['predictors of another model', [FIXTURES], 1, /the model has .*Name the model/],
    ['a folder without any', [folder], 1, /no \.pt files/],
  ])('refuses %s', async (_, args, code, message) => {
    const output = join(folder, 'set.safetensors');
    const { code: found, stderr } = await runCli(['train', 'import', ...args, '-o', output]);
    expect(stderr).toMatch(message);
    expect(found).toBe(code);
    expect(existsSync(output)).toBe(false);
  });

  it('asks where the result goes', async () => {
    const { code, stderr } = await runCli(['train', 'import', FIXTURES]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('-o FILE')]);
  });
});
