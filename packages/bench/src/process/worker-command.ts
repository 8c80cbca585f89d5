import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** How a process starts that measures: Node, and the program that lies beside this library. */
export function workerCommand(): [file: string, ...args: string[]] {
  const manifest = createRequire(import.meta.url).resolve('@thermocline/bench/package.json');
  return [process.execPath, join(dirname(manifest), 'dist', 'worker.cjs')];
}
