// Packs every published package, installs the tarballs in an empty folder as a user would, loads
// each one as ESM and as CommonJS, and runs the installed command line from a text to a plan.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatCounts } from './counts.mjs';
import { publishedPackages } from './packages.mjs';
import { pnpm } from './setup.mjs';

const folder = mkdtempSync(join(tmpdir(), 'thermocline-pack-'));
const tarballs = join(folder, 'tarballs');
const user = join(folder, 'user');
const counts = { passed: 0, failed: 0 };
mkdirSync(tarballs);
mkdirSync(user);
writeFileSync(join(user, 'package.json'), '{ "private": true }\n');

function report(name, { status, stdout, stderr, error }) {
  const ok = status === 0;
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${name}`);
  if (!ok) console.log(`${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`);
  counts[ok ? 'passed' : 'failed'] += 1;
}

function inUserFolder(command, args) {
  return spawnSync(command, args, { cwd: user, encoding: 'utf8', timeout: 300_000 });
}

const packages = publishedPackages().filter(({ manifest }) => fitsThisMachine(manifest));
for (const { path, manifest } of packages) {
  report(`pack ${manifest.name}`, pnpm(['pack', '--pack-destination', tarballs], { cwd: path }));
}
const files = readdirSync(tarballs).map((name) => join(tarballs, name));
report('npm install', inUserFolder('npm', ['install', '--no-audit', '--no-fund', ...files]));

for (const { manifest } of packages) {
  if (!manifest.exports) continue;
  const name = JSON.stringify(manifest.name);
  const some = `(m) => { if (Object.keys(m).length === 0) throw new Error('exports nothing'); }`;
  const esm = `const check = ${some}; check(await import(${name}));`;
  const cjs = `const check = ${some}; check(require(${name}));`;
  report(`import ${name}`, inUserFolder(process.execPath, ['--input-type=module', '-e', esm]));
  report(`require ${name}`, inUserFolder(process.execPath, ['--input-type=commonjs', '-e', cjs]));
}
const COMMANDS = [
  ['run', '-p', 'Once upon a time', '-n', '8', '--json'],
  ['profile', '--corpus', 'text.txt', '--tokens', '64', '-o', 'profile.safetensors', '--json'],
  ['solve', 'profile.safetensors', '--hardware', 'rtx-4090-pc', '--vram', '8MiB', '--json'],
  ['inspect', 'profile.safetensors', '--html', 'profile.html', '--svg', 'profile.svg', '--json'],
  // Measures in processes of its own, whose program lies in another package.
  [
    'bench',
    '--rounds',
    '1',
    '--prompt-tokens',
    '8',
    '--generate',
    '4',
    '--idle-wait',
    '0',
    '--json',
  ],
];
if (packages.some(({ manifest }) => manifest.bin !== undefined)) {
  writeFileSync(join(user, 'text.txt'), 'Once upon a time there was a little girl.\n'.repeat(20));
  for (const args of COMMANDS) {
    const command = ['--no-install', 'thermocline', ...args];
    report(`thermocline ${args[0]}`, inUserFolder('npx', command));
  }
}
rmSync(folder, { recursive: true, force: true });
console.log(formatCounts(counts));
process.exitCode = counts.failed > 0 ? 1 : 0;

function fitsThisMachine({ os, cpu }) {
  return (!os || os.includes(process.platform)) && (!cpu || cpu.includes(process.arch));
}
