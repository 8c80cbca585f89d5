// Sets up, runs every TypeScript and native test, and ends with one line: "N passed, N failed".
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatCounts, lastCounts, sumCounts } from './counts.mjs';
import { ROOT, setup } from './setup.mjs';

function runVitest() {
  const folder = mkdtempSync(join(tmpdir(), 'thermocline-test-'));
  const report = join(folder, 'report.json');
  const args = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
  const { status } = spawnSync(process.execPath, [vitest, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  try {
    return countReport(JSON.parse(readFileSync(report, 'utf8')), status);
  } catch (error) {
    console.error(`The TypeScript tests left no report: ${error.message}`);
    return { passed: 0, failed: 1, skipped: 0 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function countReport(report, status) {
  // A file that fails to load has no test of its own to fail, so it counts as one.
  const brokenFiles = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((t) => t.status === 'failed'),
  ).length;
  const failed = report.numFailedTests + brokenFiles;
  return {
    passed: report.numPassedTests,
    failed: status !== 0 && failed === 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

function runNative() {
  const script = join(ROOT, 'packages', 'engine-native', 'scripts', 'test-native.mjs');
  const result = spawnSync(process.execPath, [script], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.stdout.write(result.stdout ?? '');
  return lastCounts(result.stdout, result.status);
}

setup();
const total = sumCounts([runVitest(), runNative()]);
console.log(formatCounts(total));
process.exitCode = total.failed > 0 ? 1 : 0;
