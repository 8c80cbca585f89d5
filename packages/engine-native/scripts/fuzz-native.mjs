// Builds the input fuzzer with the address and undefined-behaviour sanitizers and runs it.
// Arguments go to the fuzzer: --cases N, --seed S, --seconds T.
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const BUILD = join(PACKAGE, 'build', 'sanitize-address');

function run(command, args) {
  const { error, status, signal } = spawnSync(command, args, {
    cwd: PACKAGE,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { UBSAN_OPTIONS: 'print_stacktrace=1', ...process.env },
  });
  if (error) console.error(`${command}: ${error.message}`);
  if (signal) console.error(`${command} was ended by ${signal}`);
  return status ?? 1;
}

function main() {
  const configure = ['-S', 'native', '-B', BUILD, '-DTHERMOCLINE_SANITIZE=address+undefined'];
  const jobs = String(availableParallelism());
  const build = ['--build', BUILD, '--target', 'fuzz_inputs', '--parallel', jobs];
  if (run('cmake', configure) !== 0 || run('cmake', build) !== 0) return 1;
  return run(join(BUILD, 'fuzz', 'fuzz_inputs'), process.argv.slice(2));
}

process.exitCode = main();
