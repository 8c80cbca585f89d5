// Everything about the code that is not a test: format, lint, types, what the packages export.
import { spawnSync } from 'node:child_process';
import { join, relative } from 'node:path';
import { formatCounts } from './counts.mjs';
import { publishedPackages } from './packages.mjs';
import { pnpm, ROOT } from './setup.mjs';

const checks = [
  ['format and fast lint', ['exec', 'biome', 'ci', '--colors=off', '.']],
  ['type-aware lint', ['exec', 'eslint', '--max-warnings', '0', '.']],
  ['types', ['run', 'typecheck']],
  ['unused code and dependencies', ['exec', 'knip']],
  ['bundle sizes', ['exec', 'size-limit']],
];
for (const { path, manifest } of publishedPackages()) {
  const folder = relative(ROOT, path);
  checks.push([`${manifest.name}: publint`, ['exec', 'publint', '--strict', folder]]);
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
    const attw = ['exec', 'attw', '--pack', folder, ...options];
    checks.push([`${manifest.name}: types as resolved`, attw]);
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

for (const [name, args] of checks) {
  const result = pnpm(args);
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}`;
  report(name, result.status === 0 ? '' : output || `exit code ${result.status}`);
}
report('lockfile names no registry host', lockfileNamesNoHost());

console.log(formatCounts(counts));
process.exitCode = counts.failed > 0 ? 1 : 0;
