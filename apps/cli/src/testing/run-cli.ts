import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '..', '..', '..', '..');
export const BIN = join(ROOT, 'apps', 'cli', 'dist', 'bin.cjs');
export const DEMO = join(ROOT, 'packages', 'demo-model');
export const DATA = process.env['THERMOCLINE_TEST_DATA'] ?? resolve(ROOT, '..', 'shared', 'data');

export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  stdin?: string;
  cwd?: string;
  env?: Record<string, string>;
  onStart?: (child: ChildProcess) => void;
  /** Called with the process and what it has written, whenever there is more. */
  onOutput?: (child: ChildProcess, stdout: string, stderr: string) => void;
}

/** Runs the built command line as a person's shell would, and collects what it writes. */
export async function runCli(
  args: readonly string[],
  options: CliOptions = {},
): Promise<CliResult> {
  if (!existsSync(BIN)) throw new Error(`${BIN} is not built; run npm run build`);
  const { INIT_CWD: _, FORCE_COLOR: __, ...inherited } = process.env;
  const child = spawn(process.execPath, [BIN, ...args], {
    cwd: options.cwd ?? ROOT,
    env: { ...inherited, ...options.env },
  });
  options.onStart?.(child);
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    options.onOutput?.(child, stdout, stderr);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    options.onOutput?.(child, stdout, stderr);
  });
  // A command that ends without reading closes the pipe; that is its right.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.stdin ?? '');
  const code = await new Promise<number | null>((done, fail) => {
    child.on('error', fail).on('close', done);
  });
  return { code, stdout, stderr };
}

/** Runs a command with `--json` and parses the one line it may write. */
export async function runJson(args: readonly string[], options: CliOptions = {}): Promise<unknown> {
  const { code, stdout, stderr } = await runCli([...args, '--json'], options);
  if (code !== 0) throw new Error(`exit code ${code}: ${stderr}`);
  if (!/^[^\n]+\n$/.test(stdout)) throw new Error(`not one line of JSON: ${stdout}`);
  return JSON.parse(stdout);
}
