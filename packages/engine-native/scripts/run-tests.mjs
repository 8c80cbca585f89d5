// Runs the native test binaries of a build and counts what they say.
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { inParallel } from '../../../scripts/parallel.mjs';

/**
 * Each binary ends with `N passed, N failed[, N skipped]`; one that does not has crashed. `jobs` may
 * run at a time: more than one only where no test means what it measures.
 */
export async function runTestBinaries(folder, options = {}) {
  const { names = readdirSync(folder), env = {}, emulator = [], jobs = 1 } = options;
  const total = { passed: 0, failed: 0, skipped: 0 };
  await inParallel(jobs, names.toSorted(), async (name) => {
    const counts = await runBinary(folder, name, env, emulator);
    for (const key of Object.keys(total)) total[key] += counts[key];
  });
  return total;
}

async function runBinary(folder, name, env, emulator) {
  const [command, ...args] = [...emulator, join(folder, name)];
  const start = Date.now();
  const { error, stdout, stderr } = await execute(command, args, {
    maxBuffer: 1 << 28,
    timeout: 600_000,
    env: { ...process.env, ...env },
  });
  const lines = stdout.trimEnd().split('\n');
  const counts = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/.exec(lines.at(-1));
  const [passed = 0, failed = 0, skipped = 0] = counts?.slice(1).map((n) => Number(n ?? 0)) ?? [];
  const crashed = counts === null || (error !== null && failed === 0);
  lines.push(`${((Date.now() - start) / 1000).toFixed(1)} s`);
  console.log(`${name}: ${lines.join(`\n${name}: `)}`);
  if (crashed) {
    const how = error?.signal ?? error?.message.split('\n')[0] ?? 'no counts';
    console.log(`${name}: did not end properly (${how})\n${stderr}`);
  }
  return { passed, failed: failed + (crashed ? 1 : 0), skipped };
}

function execute(command, args, options) {
  return new Promise((resolve) => {
    execFile(command, args, options, (error, stdout, stderr) => resolve({ error, stdout, stderr }));
  });
}
