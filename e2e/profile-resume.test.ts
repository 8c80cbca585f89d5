import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readActivationProfile, writeActivationProfile } from '@thermocline/contracts';
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
  /** Tokens done when it was heard of first and last; first is infinite when nothing was left. */
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
  return { code, first: seen[0] ?? Number.POSITIVE_INFINITY, last: seen.at(-1) ?? 0, stderr };
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
    // The kill may come when the output is written already, and the checkpoint removed.
    if (existsSync(output)) break;
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

test('a kill between the output and the removal of the checkpoint changes no bit', async () => {
  const [output, checkpoint] = [join(folder, 'done'), join(folder, 'done.progress')];
  const profile = await profileTexts({ checkpoint: { path: checkpoint } });
  await writeActivationProfile(output, profile);
  expect(existsSync(checkpoint)).toBe(true);
  const [bytes, saved] = [readFileSync(output), readFileSync(checkpoint)];
  const again = async () => {
    expect(await attempt(output, checkpoint)).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(output).equals(bytes)).toBe(true);
    expect(readdirSync(folder).filter((name) => name.startsWith('done'))).toEqual(['done']);
  };
  await again();
  // A moment earlier: the checkpoint is complete, the output is not there yet.
  writeFileSync(checkpoint, saved);
  rmSync(output);
  await again();
});
