// What a stranger meets: clones the last commit into an empty folder, types the two commands there,
// and checks what they print and how long they take.
//
//   node benchmarks/fresh-clone.mjs [--skip-tests]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { printTable, writeResults } from './lib/results.mjs';

const { values } = parseArgs({ options: { 'skip-tests': { type: 'boolean', default: false } } });
const ROOT = resolve(import.meta.dirname ?? '.', '..');
const folder = mkdtempSync(join(tmpdir(), 'thermocline-clone-'));

/** @param {string[]} command @param {number} limitSeconds @param {RegExp[]} shown */
function time(command, limitSeconds, shown) {
  const start = performance.now();
  const [file = '', ...args] = command;
  const { status, stdout, stderr } = spawnSync(file, args, {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    // The command must find what it needs by itself, not through this run's settings.
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
  });
  const seconds = (performance.now() - start) / 1000;
  // What must stand last on stdout is looked for there alone.
  const output = `${stdout ?? ''}${stderr ?? ''}`;
  /** @param {RegExp} pattern */
  const isShown = (pattern) => pattern.test(stdout ?? '') || pattern.test(output);
  const absent = shown.filter((pattern) => !isShown(pattern)).map(String);
  const ok = status === 0 && seconds < limitSeconds && absent.length === 0;
  if (!ok) console.error(output.slice(-4000));
  return {
    command: command.join(' '),
    seconds,
    limit_seconds: limitSeconds,
    exit_code: status ?? 'killed',
    not_shown: absent.join(' '),
    verdict: ok ? 'ok' : 'FAILED',
  };
}

try {
  const clone = spawnSync('git', ['clone', '-q', ROOT, folder], { stdio: 'inherit' });
  if (clone.status !== 0) process.exit(1);
  const rows = [time(['npm', 'run', 'demo'], 360, [/Once upon a time/, /tokens\/s/, /fired/])];
  if (!values['skip-tests']) {
    rows.push(time(['npm', 'test'], 720, [/\d+ passed, 0 failed.*\s*$/]));
  }
  printTable(rows);
  console.log(`written: ${writeResults('fresh-clone', rows)}`);
  if (rows.some(({ verdict }) => verdict !== 'ok')) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
