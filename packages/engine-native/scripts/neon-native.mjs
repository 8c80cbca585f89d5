// Cross-compiles the C++ core for 64-bit ARM and runs its tests under qemu-user, so that the
// NEON kernels are tested on any machine; of many like cases the tests take a part there. Ends with
// one line: "N passed, N failed".
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { formatCounts } from '../../../scripts/counts.mjs';
import { buildNative, PACKAGE } from './cmake.mjs';
import { runTestBinaries } from './run-tests.mjs';

const COMPILER = 'aarch64-linux-gnu-g++';
const EMULATOR = ['qemu-aarch64', '-L', '/usr/aarch64-linux-gnu'];

const missing = [COMPILER, EMULATOR[0]].filter(
  (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status !== 0,
);
if (missing.length > 0) {
  process.stderr.write(
    `Not found: ${missing.join(', ')}. Install them (Debian and Ubuntu: apt-get install g++-aarch64-linux-gnu qemu-user), then run this again.\n`,
  );
  process.exit(1);
}

process.env.CXX = COMPILER;
const build = buildNative(
  'neon',
  {
    CMAKE_TOOLCHAIN_FILE: join(PACKAGE, 'native', 'cmake', 'aarch64-linux-gnu.cmake'),
    THERMOCLINE_QUICK: 'ON',
  },
  ['native_tests'],
);
const total =
  build === null
    ? { passed: 0, failed: 1, skipped: 0 }
    : await runTestBinaries(join(build, 'tests'), {
        env: { THERMOCLINE_EMULATED: '1' },
        emulator: EMULATOR,
        jobs: availableParallelism(),
      });
console.log(formatCounts(total));
process.exitCode = total.failed > 0 ? 1 : 0;
