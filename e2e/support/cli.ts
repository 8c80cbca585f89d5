import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './fixtures.js';

/** What a finished command left behind. */
export interface CommandResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the command line of this checkout, as `npm run -s thermocline --` does. */
export async function thermocline(args: readonly string[], stdin = ''): Promise<CommandResult> {
  const script = join(ROOT, 'scripts', 'thermocline.mjs');
  const child = spawn(process.execPath, [script, ...args], { cwd: ROOT });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.end(stdin);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject).on('close', resolve);
  });
  return { code, stdout, stderr };
}

/** Runs a command with `--json` and reads the one object it prints; throws when it failed. */
export async function thermoclineJson<T>(args: readonly string[], stdin?: string): Promise<T> {
  const { code, stdout, stderr } = await thermocline([...args, '--json'], stdin);
  if (code !== 0) throw new Error(`thermocline ${args.join(' ')} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** `logits --json`. */
export interface LogitsOutput {
  tokens: number[];
  top: { id: number; text: string; logit: number }[];
}

/** `run --json`, the parts that are looked at here. */
export interface RunOutput {
  model: unknown;
  mode: string;
  prompt_tokens: number;
  tokens: number[];
  text: string;
  prefill_tps: number;
  decode_tps: number;
  ms_per_token: { p50: number; p99: number };
  ffn_active_ratio: number;
  tiers: unknown;
}

/** `eval --json`. */
export interface EvalOutput {
  perplexity: number;
  nll: number;
  tokens: number;
  mode: string;
}
