// Builds the native tests with sanitizers and runs them: all of them with those for addresses and
// undefined behaviour, then the addon in Node; and those that use threads with that for threads.
// Of many like cases the tests take a part. Ends with one line: "N passed, N failed".
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { formatCounts } from '../../../scripts/counts.mjs';
import { addonOptions } from './addon-options.mjs';
import { buildNative, PACKAGE } from './cmake.mjs';
import { runTestBinaries } from './run-tests.mjs';

// Where threads meet, from the pool to the engine.
const THREADED = [
  'engine_tests',
  'model_tests',
  'sparsity_tests',
  'tc_util_tests',
  'tiers_tests',
  'train_tests',
];
const total = { passed: 0, failed: 0, skipped: 0 };

function add(counts) {
  for (const key of Object.keys(total)) total[key] += counts[key] ?? 0;
}

async function testWith(folder, { options, targets, names, env }) {
  console.log(`== ${options.THERMOCLINE_SANITIZE}`);
  const build = buildNative(folder, options, targets);
  const how = { names, env, jobs: availableParallelism() };
  add(build === null ? { failed: 1 } : await runTestBinaries(join(build, 'tests'), how));
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

const build = await testWith('sanitize-address', {
  options: { ...addonOptions(), THERMOCLINE_SANITIZE: 'address+undefined' },
  targets: ['native_tests', 'thermocline_node', 'fuzz_inputs'],
  env: { UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1' },
});
if (build !== null) add(smokeAddon(build));
// One set of vector kernels is enough to see two threads write to one place.
const kernels = process.arch === 'x64' ? 'scalar;avx2' : '';
await testWith('sanitize-thread', {
  options: { THERMOCLINE_SANITIZE: 'thread', THERMOCLINE_KERNELS: kernels },
  targets: THREADED,
  names: THREADED,
});
console.log(formatCounts(total));
process.exitCode = total.failed > 0 ? 1 : 0;
