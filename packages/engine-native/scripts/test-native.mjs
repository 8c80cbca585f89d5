// Builds and runs the tests of the C++ core. Ends with one line: "N passed, N failed".
import { join } from 'node:path';
import { addonOptions } from './addon-options.mjs';
import { buildNative } from './cmake.mjs';
import { closingLine, runTestBinaries } from './run-tests.mjs';

const build = buildNative('release', addonOptions(), ['native_tests']);
const total =
  build === null
    ? { passed: 0, failed: 1, skipped: 0 }
    : await runTestBinaries(join(build, 'tests'));
console.log(closingLine(total));
process.exitCode = total.failed > 0 ? 1 : 0;
