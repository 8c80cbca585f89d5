// Runs the command line of this checkout, after a set-up where it is not built yet. It runs in
// this very process, so signals, standard streams and the exit code are the command line's own.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT, setup } from './setup.mjs';

const BIN = join(ROOT, 'apps', 'cli', 'dist', 'bin.cjs');

export function runCommandLine(args) {
  process.argv = [process.argv[0], BIN, ...args];
  createRequire(import.meta.url)(BIN);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!existsSync(BIN)) setup();
  runCommandLine(process.argv.slice(2));
}
