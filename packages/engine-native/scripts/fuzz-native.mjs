// Builds the input fuzzer with the address and undefined-behaviour sanitizers and runs it.
// Arguments go to the fuzzer: --cases N, --seed S, --seconds T.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { buildNative, PACKAGE } from './cmake.mjs';

function main() {
  const options = { THERMOCLINE_SANITIZE: 'address+undefined' };
  const build = buildNative('sanitize-address', options, ['fuzz_inputs']);
  if (build === null) return 1;
  const { error, status, signal } = spawnSync(
    join(build, 'fuzz', 'fuzz_inputs'),
    process.argv.slice(2),
    {
      cwd: PACKAGE,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { UBSAN_OPTIONS: 'print_stacktrace=1', ...process.env },
    },
  );
  if (error) console.error(`fuzz_inputs: ${error.message}`);
  if (signal) console.error(`fuzz_inputs was ended by ${signal}`);
  return status ?? 1;
}

process.exitCode = main();
