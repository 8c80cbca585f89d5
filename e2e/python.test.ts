import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from './support/fixtures.js';
import { temporaryFolder } from './support/temporary.js';

const SCRIPTS = join(ROOT, 'examples', 'python');
const PAGE = readFileSync(join(ROOT, 'docs', 'python.md'), 'utf8');
const folder = temporaryFolder();

/** A Python that has NumPy: the system's first, which has Debian's. */
const python = ['/usr/bin/python3', 'python3'].find(
  (command) => spawnSync(command, ['-c', 'import numpy']).status === 0,
);

/** The fenced blocks of the page, in order. */
function blocks(): { language: string; text: string }[] {
  return [...PAGE.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language = '', text = '']) => ({
    language,
    text,
  }));
}

/** A command of the page, with files that it makes in the temporary folder. */
function runLine(line: string) {
  const made = line
    .replace(/\b(story|ours)\.(profile|plan)\.safetensors/g, (name) => join(folder, name))
    .replace('model.json', join(folder, 'model.json'))
    .replace(/^python3 /, `${python} `);
  return spawnSync('bash', ['-c', made], { cwd: ROOT, encoding: 'utf8' });
}

test('the scripts are short, and the page shows them as they are', () => {
  const shown = blocks().filter(({ language }) => language === 'python');
  const files = readdirSync(SCRIPTS).filter((name) => name.endsWith('.py'));
  expect(shown).toHaveLength(files.length);
  for (const name of files) {
    const text = readFileSync(join(SCRIPTS, name), 'utf8');
    expect(shown.map((block) => block.text)).toContain(text);
    expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(30);
  }
});

test('the page runs from top to bottom and prints what it says', ({ skip }) => {
  skip(python === undefined, 'no Python with NumPy (Debian: python3-numpy)');
  let printed = '';
  let outputs = 0;
  for (const { language, text } of blocks()) {
    if (language === 'text') {
      expect(printed.trim()).toBe(text.trim());
      outputs++;
    }
    if (language !== 'sh') continue;
    for (const line of text.trim().split('\n')) {
      const { status, stdout, stderr } = runLine(line);
      expect(`${status} ${status === 0 ? '' : stderr}`).toBe('0 ');
      printed = stdout;
    }
  }
  expect(outputs).toBe(2);
  expect(existsSync(join(folder, 'ours.plan.safetensors'))).toBe(true);
});
