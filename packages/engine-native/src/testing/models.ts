import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const fromRoot = (path: string) => fileURLToPath(new URL(`../../../../${path}`, import.meta.url));

/** A ReLU-gated llama of 8 million parameters. */
export const DEMO_MODEL = fromRoot('packages/demo-model/model/Llama-ReGLU-Stories-8M-f16.gguf');
/** An OPT of 1 million: opens in a few milliseconds. */
export const SMALL_MODEL = fromRoot(
  'packages/demo-model/reference/opt/Llama-OPT-Stories-1M-f16.gguf',
);
/** Text such as the first of them was trained on, long enough to learn from. */
export const TEXT = fromRoot('packages/demo-model/texts/training.txt');
/** The built package, for tests that need processes or threads of their own. */
export const BUILT = {
  esm: fromRoot('packages/engine-native/dist/index.js'),
  cjs: fromRoot('packages/engine-native/dist/index.cjs'),
};

export interface ScriptResult {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs a script in a fresh Node process; `engine` is the package, `model` the small model. */
export function runScript(
  body: string,
  options: { flags?: string[]; env?: NodeJS.ProcessEnv } = {},
): Promise<ScriptResult> {
  const header = `const engine = require(${JSON.stringify(BUILT.cjs)});
    const model = ${JSON.stringify(SMALL_MODEL)};
    const main = async () => {${body}};
    main().catch((error) => { console.error(error); process.exitCode = 1; });`;
  const flags = [...(options.flags ?? []), '--input-type=commonjs', '-e', header];
  const child = spawn(process.execPath, flags, {
    env: { ...process.env, NODE_OPTIONS: '', ...options.env },
    timeout: 200_000,
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}
