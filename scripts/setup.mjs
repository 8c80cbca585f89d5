// Makes a fresh checkout ready: installs the locked dependencies, then builds native code and
// TypeScript. Quiet unless something fails; progress goes to stderr.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));
const { packageManager } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const STAMP = join(ROOT, 'node_modules', '.installed-lockfile');

export function setup() {
  requireTools();
  const lockHash = hashOf('pnpm-lock.yaml', 'pnpm-workspace.yaml');
  if (!existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== lockHash) {
    step('Installing dependencies', ['install', '--frozen-lockfile']);
    writeFileSync(STAMP, lockHash);
  }
  step('Building native code and TypeScript', ['run', 'build']);
}

/** Runs pnpm at the pinned version: on a fresh machine only npx is there. */
export function pnpm(args, options = {}) {
  return spawnSync('npx', ['-y', packageManager, ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    shell: process.platform === 'win32',
    // Notices of the tools themselves have no place in the output of a demo or a check.
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', npm_config_loglevel: 'error' },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
}

function step(title, args) {
  const start = Date.now();
  process.stderr.write(`${title} ...`);
  const result = pnpm(args);
  const seconds = ((Date.now() - start) / 1000).toFixed(1);
  if (result.status === 0) {
    process.stderr.write(` done in ${seconds} s\n`);
    return;
  }
  process.stderr.write(` failed after ${seconds} s\n${result.stdout ?? ''}${result.stderr ?? ''}`);
  if (result.error) process.stderr.write(`${result.error.message}\n`);
  process.exit(1);
}

function requireTools() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(`Node ${process.versions.node} is too old: Thermocline needs Node 20.19 or later.`);
  }
  const compilers = [process.env.CXX, 'g++', 'clang++', 'c++'].filter(Boolean);
  if (!compilers.some(runs)) {
    fail('No C++ compiler found: install g++ 12 or clang 15 (or set CXX), then run this again.');
  }
  if (!runs('cmake')) fail('No cmake found: install CMake 3.19 or later, then run this again.');
}

function runs(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

function hashOf(...files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(join(ROOT, file)));
  return hash.digest('hex');
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) setup();
