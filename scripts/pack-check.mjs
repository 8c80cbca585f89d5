// Packs every published package, installs the tarballs in an empty folder as a user would, loads
// each one as ESM and as CommonJS, and runs the installed command line once.
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
const cli = packages.find(({ manifest }) => manifest.bin !== undefined);
if (cli) {
  const args = [
    '--no-install',
    'thermocline',
    'run',
    '-p',
    'Once upon a time',
    '-n',
    '8',
    '--json',
  ];
  report('run the command line', inUserFolder('npx', args));
}
rmSync(folder, { recursive: true, force: true });
console.log(formatCounts(counts));
process.exitCode = counts.failed > 0 ? 1 : 0;

function fitsThisMachine({ os, cpu }) {
  return (!os || os.includes(process.platform)) && (!cpu || cpu.includes(process.arch));
}
