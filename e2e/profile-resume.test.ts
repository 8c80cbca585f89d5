import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readActivationProfile } from '@thermocline/contracts';
import { expect, test } from 'vitest';
import { ROOT } from './support/fixtures.js';
import { profileTexts } from './support/profile-texts.mjs';
import { expectSameProfile } from './support/same-profile.js';
import { temporaryFolder } from './support/temporary.js';

const folder = temporaryFolder();
const script = join(ROOT, 'e2e', 'support', 'profile-texts.mjs');

interface Attempt {
  /** Exit code; `null` when killed. */
  code: number | null;
  /** Tokens done when it was heard of first and last. */
  first: number;
  last: number;
  stderr: string;
}

/** Runs the program; kills it after it reported so often, at any moment, as a power cut would. */
async function attempt(
  output: string,
  checkpoint: string,
  reports = Number.POSITIVE_INFINITY,
): Promise<Attempt> {
  const child = spawn(process.execPath, [script, output, checkpoint]);
  const seen: number[] = [];
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    seen.push(...text.trim().split('\n').map(Number));
    if (seen.length >= reports) setTimeout(() => child.kill('SIGKILL'), Math.random() * 100);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject).on('close', resolve);
  });
  return { code, first: seen[0] ?? 0, last: seen.at(-1) ?? 0, stderr };
}

test('a run that is killed again and again goes on and ends with the same bits', async () => {
  const [output, checkpoint] = [join(folder, 'killed'), join(folder, 'killed.progress')];
  const kills: Attempt[] = [];
  while (kills.length < 6) {
    // By the fourth report it has saved at least once.
    const result = await attempt(output, checkpoint, 4 + Math.floor(Math.random() * 8));
    expect(result.stderr).toBe('');
    if (result.code === 0) break;
    kills.push(result);
    expect(existsSync(output)).toBe(false);
    expect(existsSync(checkpoint)).toBe(true);
  }
  const final = await attempt(output, checkpoint);
  expect(final).toMatchObject({ code: 0, stderr: '' });
  expect(kills.length).toBeGreaterThan(0);
  for (const [i, kill] of kills.entries()) {
    // No restart from nothing: it is ahead of where the one before began.
    expect((kills[i + 1] ?? final).first).toBeGreaterThanOrEqual(kill.first);
  }
  expect(final.first).toBeGreaterThan(kills[0]?.first ?? 0);
  expectSameProfile(await readActivationProfile(output), await profileTexts());
  const left = readdirSync(folder).filter((name) => name.startsWith(basename(checkpoint)));
  expect(left).toEqual([]);
  const marks = kills.map(({ first, last }) => `${first}–${last}`).join(', ');
  console.info(
    `killed ${kills.length} times, at tokens ${marks}; then from ${final.first} to the end`,
  );
});
