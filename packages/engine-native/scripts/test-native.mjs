// Builds and runs the tests of the C++ core. Ends with one line: "N passed, N failed".
import { join } from 'node:path';
import { buildNative } from './cmake.mjs';
import { closingLine, runTestBinaries } from './run-tests.mjs';

const build = buildNative('tests', { CMAKE_CXX_FLAGS_RELEASE: '-O2' });
const total =
  build === null ? { passed: 0, failed: 1, skipped: 0 } : runTestBinaries(join(build, 'tests'));
console.log(closingLine(total));
process.exitCode = total.failed > 0 ? 1 : 0;
