// Builds the native tests with sanitizers (address and undefined behaviour, then threads) and runs
// them; then the addon in Node with the first two. Ends with one line: "N passed, N failed".
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { addonOptions } from './addon-options.mjs';
import { buildNative, PACKAGE } from './cmake.mjs';
import { closingLine, runTestBinaries } from './run-tests.mjs';

const total = { passed: 0, failed: 0, skipped: 0 };

function add(counts) {
  for (const key of Object.keys(total)) total[key] += counts[key] ?? 0;
}

function testWith(folder, options, env) {
  console.log(`== ${options.THERMOCLINE_SANITIZE}`);
  const build = buildNative(folder, options);
  add(build === null ? { failed: 1 } : runTestBinaries(join(build, 'tests'), env));
  return build;
}

/** Node itself is built without sanitizers, so their runtime must be loaded before it. */
function smokeAddon(build) {
  console.log('== the addon in Node, address+undefined');
  if (!existsSync(join(PACKAGE, 'dist', 'index.cjs'))) {
    console.log('skipped: the package is not built (npm run build)');
    return { skipped: 1 };
  }
  const compiler = process.env.CXX ?? 'g++';
  const library = spawnSync(compiler, ['-print-file-name=libasan.so'], { encoding: 'utf8' });
  if (!library.stdout?.trim().includes('/')) {
    console.log(`skipped: ${compiler} has no shared address sanitizer to load before Node`);
    return { skipped: 1 };
  }
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [join(PACKAGE, 'scripts', 'addon-smoke.cjs')],
    {
      encoding: 'utf8',
      timeout: 300_000,
      env: {
        ...process.env,
        LD_PRELOAD: library.stdout.trim(),
        // What V8 keeps to the end would be reported as leaked.
        ASAN_OPTIONS: 'detect_leaks=0',
        UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
        THERMOCLINE_NATIVE_BINARY: join(build, 'addon', 'thermocline.node'),
      },
    },
  );
  if (status === 0) return { passed: 1 };
  console.log(`addon-smoke.cjs ended with ${signal ?? status}\n${stdout}${stderr}`);
  return { failed: 1 };
}

const address = { ...addonOptions(), THERMOCLINE_TESTS: 'ON' };
const build = testWith(
  'sanitize-address',
  { ...address, THERMOCLINE_SANITIZE: 'address+undefined' },
  { UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1' },
);
if (build !== null) add(smokeAddon(build));
testWith('sanitize-thread', { THERMOCLINE_SANITIZE: 'thread' }, {});
console.log(closingLine(total));
process.exitCode = total.failed > 0 ? 1 : 0;
