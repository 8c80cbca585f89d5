// Builds the addon for this machine into the platform package from which it is loaded.
import { copyFileSync, existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { addonOptions } from './addon-options.mjs';
import { buildNative, PACKAGE } from './cmake.mjs';
import { highestGlibc } from './glibc-floor.mjs';

// What the platform packages promise; see their README.
const GLIBC_FLOOR = '2.34';

function platformFolder() {
  const libc = process.platform === 'linux' ? '-gnu' : '';
  return join(PACKAGE, 'npm', `${process.platform}-${process.arch}${libc}`);
}

function install(binary, folder) {
  const target = join(folder, 'thermocline.node');
  if (existsSync(target) && readFileSync(target).equals(readFileSync(binary))) return;
  // Renamed into place: overwriting would change the code under a process that has it loaded.
  copyFileSync(binary, `${target}.new`);
  renameSync(`${target}.new`, target);
}

function main() {
  const folder = platformFolder();
  if (!existsSync(folder)) {
    process.stderr.write(`There is no package for this platform yet: ${folder} is missing.\n`);
    return 1;
  }
  const build = buildNative('release', addonOptions(), ['thermocline_node']);
  if (build === null) return 1;
  const binary = join(build, 'addon', 'thermocline.node');
  const needed = highestGlibc(binary);
  if (needed !== null && needed.localeCompare(GLIBC_FLOOR, 'en', { numeric: true }) > 0) {
    process.stderr.write(`Note: this binary needs glibc ${needed}, above ${GLIBC_FLOOR}.\n`);
  }
  install(binary, folder);
  return 0;
}

process.exitCode = main();
