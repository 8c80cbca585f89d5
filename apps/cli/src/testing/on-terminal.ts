import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BIN } from './run-cli.js';

/** Waits until a text appears, or types one. */
export type Step = { expect: string } | { send: string };

export interface TerminalResult {
  code: number;
  /** Everything that appeared, control sequences included. */
  output: string;
  /** Index of the step whose text never came, or `null`. */
  failed: number | null;
}

export const CTRL_C = '\x03';
export const CTRL_D = '\x04';

/** Why no terminal can be played here, or `undefined`. */
export function terminalMissing(): string | undefined {
  if (process.platform === 'win32') return 'Windows has no pseudo-terminals of this kind';
  const { status } = spawnSync('python3', ['-c', 'import pty'], { stdio: 'ignore' });
  return status === 0 ? undefined : 'python3, which makes the pseudo-terminal, is not here';
}

/** Runs the command line on a terminal and plays a person's part. */
export async function onTerminal(
  args: readonly string[],
  steps: readonly Step[],
): Promise<TerminalResult> {
  const script = join(import.meta.dirname, 'play_terminal.py');
  const command = [script, JSON.stringify(steps), process.execPath, BIN, ...args];
  const { stdout } = await promisify(execFile)('python3', command, { encoding: 'utf8' });
  return JSON.parse(stdout) as TerminalResult;
}
