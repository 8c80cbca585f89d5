// Runs the native test binaries of a build and counts what they say.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Each binary ends with `N passed, N failed[, N skipped]`; one that does not has crashed. */
export function runTestBinaries(folder, env = {}, emulator = []) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const name of readdirSync(folder).sort()) {
    const [command, ...args] = [...emulator, join(folder, name)];
    const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      timeout: 600_000,
      env: { ...process.env, ...env },
    });
    const lines = (stdout ?? '').trimEnd().split('\n');
    const counts = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/.exec(lines.at(-1) ?? '');
    const [passed = 0, failed = 0, skipped = 0] = counts?.slice(1).map((n) => Number(n ?? 0)) ?? [];
    const crashed = counts === null || (status !== 0 && failed === 0);
    total.passed += passed;
    total.skipped += skipped;
    total.failed += failed + (crashed ? 1 : 0);
    console.log(`${name}: ${lines.join(`\n${name}: `)}`);
    if (crashed) {
      const how = error?.message ?? signal ?? `exit code ${status}`;
      console.log(`${name}: did not end properly (${how})\n${stderr ?? ''}`);
    }
  }
  return total;
}

export function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
