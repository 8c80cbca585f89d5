// Everything about the code that is not a test: format, lint, types, what the packages export. Two
// checks at a time: most of them use one core.
import { execFile, spawnSync } from 'node:child_process';
import { join, relative } from 'node:path';
import { formatCounts } from './counts.mjs';
import { publishedPackages } from './packages.mjs';
import { inParallel } from './parallel.mjs';
import { pnpm, ROOT } from './setup.mjs';

const JOBS = 2;
// Where the tools are, and pnpm, which some of them call.
const PATH = pnpm(['exec', 'node', '-p', 'process.env.PATH']).stdout?.trim();

const ofSources = [
  ['type-aware lint', 'eslint', '--max-warnings', '0', '.'],
  ['format and fast lint', 'biome', 'ci', '--colors=off', '.'],
  ['unused code and dependencies', 'knip'],
];
const ofBuilds = [['bundle sizes', 'size-limit']];
for (const { path, manifest } of publishedPackages()) {
  const folder = relative(ROOT, path);
  ofBuilds.push([`${manifest.name}: publint`, 'publint', '--strict', folder]);
  if (manifest.types) {
    // Shared test suites run under vitest, which cannot be required.
    const options = [
      '--profile',
      'node16',
      '--exclude-entrypoints',
      'testing',
      '--format',
      'ascii',
    ];
    ofBuilds.push([`${manifest.name}: types as resolved`, 'attw', '--pack', folder, ...options]);
  }
}

function lockfileNamesNoHost() {
  // A lockfile made against a mirror would tie everybody else to that mirror.
  const { stdout } = spawnSync('grep', ['-n', '://', join(ROOT, 'pnpm-lock.yaml')], {
    encoding: 'utf8',
  });
  return stdout.trim();
}

const counts = { passed: 0, failed: 0 };
function report(name, problem) {
  console.log(`${problem ? 'FAILED' : 'ok    '} ${name}${problem ? `\n${problem}` : ''}`);
  counts[problem ? 'failed' : 'passed'] += 1;
}

/** What the tool says if it is not content; empty if it is. */
function problemOf(tool, args) {
  const options = {
    cwd: ROOT,
    env: { ...process.env, PATH },
    maxBuffer: 1 << 28,
    shell: process.platform === 'win32',
  };
  return new Promise((resolve) => {
    execFile(tool, args, options, (error, stdout, stderr) => {
      resolve(error ? `${stdout}${stderr}` || error.message : '');
    }).stdin.end();
  });
}

const runAll = (checks) =>
  inParallel(JOBS, checks, async ([name, tool, ...args]) => {
    report(name, await problemOf(tool, args));
  });

await runAll([['types', 'pnpm', 'run', 'typecheck']]); // by itself: it runs on all cores
await runAll(ofSources);
await runAll(ofBuilds);
report('lockfile names no registry host', lockfileNamesNoHost());

console.log(formatCounts(counts));
process.exitCode = counts.failed > 0 ? 1 : 0;
