// Draws docs/images/demo-profile.svg: the demo model on two kinds of text, as `inspect --svg` does.
//
//   node docs/images/make-profile-picture.mjs
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const HERE = import.meta.dirname;
const ROOT = join(HERE, '..', '..');
const BIN = join(ROOT, 'apps', 'cli', 'dist', 'bin.cjs');
const TEXTS = join(ROOT, 'packages', 'demo-model', 'texts');

const folder = mkdtempSync(join(tmpdir(), 'thermocline-picture-'));
const profile = join(folder, 'demo.profile');
const corpus = ['stories', 'shakespeare'].map((name) => `${name}=${join(TEXTS, `${name}.txt`)}`);
try {
  thermocline('profile', '--corpus', ...corpus, '--tokens', '32768', '-o', profile);
  thermocline('inspect', profile, '--svg', join(HERE, 'demo-profile.svg'));
} finally {
  rmSync(folder, { recursive: true });
}

function thermocline(...args) {
  const { status } = spawnSync(process.execPath, [BIN, ...args], { stdio: 'inherit' });
  if (status !== 0) throw new Error(`thermocline ${args[0]} ended with ${status}`);
}
