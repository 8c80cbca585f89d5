// Builds and runs the tests of the C++ core. Ends with one line: "N passed, N failed".
import { join } from 'node:path';
import { formatCounts } from '../../../scripts/counts.mjs';
import { addonOptions } from './addon-options.mjs';
import { buildNative } from './cmake.mjs';
import { runTestBinaries } from './run-tests.mjs';

const build = buildNative('release', addonOptions(), ['native_tests']);
const total =
  build === null
    ? { passed: 0, failed: 1, skipped: 0 }
    : await runTestBinaries(join(build, 'tests'));
console.log(formatCounts(total));
process.exitCode = total.failed > 0 ? 1 : 0;
