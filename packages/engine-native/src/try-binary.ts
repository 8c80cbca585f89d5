import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

// Loads the file named by the last argument; `process.dlopen` ends in a throw or in a crash.
const TRIAL = 'process.dlopen({ exports: {} }, process.argv[process.argv.length - 1])';
const TIME_LIMIT_MS = 20_000;

/**
 * Loads a binary in a child process first, because one that does not fit this machine may end the
 * process that loads it. Done once per binary: an empty file in the temporary folder remembers
 * that it went well (a forged one only skips the trial). About 40 ms; later calls about 0.1 ms.
 *
 * @throws Error when the child crashed; every other outcome is left to the real load to explain
 */
export function tryInChildProcess(path: string): void {
  const marker = markerFor(path);
  if (marker !== null && existsSync(marker)) return;
  const { NODE_OPTIONS: _, ...env } = process.env;
  const { signal, status } = spawnSync(process.execPath, ['-e', TRIAL, '--', path], {
    // Inside Electron the executable is the application's; this makes it behave as Node.
    env: { ...env, ELECTRON_RUN_AS_NODE: '1' },
    stdio: 'ignore',
    timeout: TIME_LIMIT_MS,
    windowsHide: true,
  });
  if (signal !== null) throw new Error(`${path} ended a trial process with ${signal}`);
  if (marker !== null && status === 0) remember(marker);
}

/** Changes with the binary and with the Node that loads it; null where there is no such file. */
function markerFor(path: string): string | null {
  try {
    const { ino, mtimeMs, size } = statSync(path);
    const identity = [path, ino, mtimeMs, size, process.execPath, process.version].join('\n');
    const hash = createHash('sha256').update(identity).digest('hex').slice(0, 32);
    return join(tmpdir(), `thermocline-${userInfo().username}`, `loads-${hash}`);
  } catch {
    return null;
  }
}

function remember(marker: string): void {
  try {
    mkdirSync(join(marker, '..'), { recursive: true, mode: 0o700 });
    // `wx`: never writes through a link that somebody else put there.
    writeFileSync(marker, '', { flag: 'wx', mode: 0o600 });
  } catch {
    // A temporary folder that cannot be written costs a trial per process, nothing else.
  }
}
