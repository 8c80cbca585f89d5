import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { DEMO_MODEL, demoModelPath, demoTexts, demoTrainingText } from './index.js';

const FOLDER = fileURLToPath(new URL('..', import.meta.url));

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

describe('the demo model', () => {
  it('is the file it says it is', () => {
    const bytes = readFileSync(demoModelPath());
    expect(bytes.subarray(0, 4).toString('latin1')).toBe('GGUF');
    expect(bytes.length).toBe(DEMO_MODEL.bytes);
    expect(sha256(demoModelPath())).toBe(DEMO_MODEL.sha256);
  });

  it('comes with texts to watch it on', () => {
    const [stories, shakespeare] = demoTexts().map(({ path }) => readFileSync(path, 'utf8'));
    expect(stories?.split('\n<|endoftext|>\n')).toHaveLength(40);
    expect(shakespeare).toMatch(/^First Citizen:\n/);
  });

  it('comes with a text to train on, none of it in the one that is held out', () => {
    const documents = (path: string) => readFileSync(path, 'utf8').split('\n<|endoftext|>\n');
    const [stories = ''] = demoTexts().map(({ path }) => path);
    const training = documents(demoTrainingText());
    expect(training.length).toBeGreaterThan(100);
    expect(documents(stories).filter((story) => training.includes(story))).toEqual([]);
  });

  it('comes with the small OPT model that the tests use', () => {
    const path = join(FOLDER, 'reference', 'opt', 'Llama-OPT-Stories-1M-f16.gguf');
    expect(sha256(path)).toBe('21913b3f16121da578bccb3bc66a20aaf8150b04d4fba7139a18e7827ea66e4e');
  });

  it('is found the same way by ESM and by CommonJS', () => {
    const dist = join(FOLDER, 'dist');
    expect(existsSync(join(dist, 'index.cjs')), 'build the package first').toBe(true);
    const cjs = `console.log(require(${JSON.stringify(join(dist, 'index.cjs'))}).demoModelPath())`;
    const esm = `import { demoModelPath } from ${JSON.stringify(join(dist, 'index.js'))};
      console.log(demoModelPath());`;
    const run = (type: string, code: string) =>
      execFileSync(process.execPath, [`--input-type=${type}`, '-e', code], { encoding: 'utf8' });
    expect(run('commonjs', cjs).trim()).toBe(demoModelPath());
    expect(run('module', esm).trim()).toBe(demoModelPath());
  });
});
