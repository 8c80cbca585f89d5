import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PipelineError } from '@thermocline/contracts';
import type { Contender } from '../contender.js';
import { runFresh } from '../process/run-fresh.js';
import { workerCommand } from '../process/worker-command.js';
import type { WorkerTask } from '../worker.js';
import type { Measurement } from '../workload.js';

/**
 * llama.cpp through node-llama-cpp, which is a peer of this package and not part of it.
 *
 * @param folder - where it is installed; left out, where this package looks for its modules
 * @throws PipelineError `INVALID_ARGUMENT` when it is not there
 *
 * @example
 * const peer = nodeLlamaCpp('/opt/peers'); // npm install --prefix /opt/peers node-llama-cpp
 */
export function nodeLlamaCpp(folder?: string): Contender {
  const url = entryOf(folder);
  return {
    name: 'node-llama-cpp',
    takes: new Set(['threads', 'batch', 'context']),
    local: true,
    measure(work, options) {
      const task: WorkerTask = { kind: 'node-llama-cpp', work, url };
      return runFresh<Measurement & { cpuMs: number }>(workerCommand(), task, options);
    },
  };
}

function entryOf(folder: string | undefined): string {
  const from = folder === undefined ? import.meta.url : join(folder, 'package.json');
  try {
    return pathToFileURL(createRequire(from).resolve('node-llama-cpp')).href;
  } catch {
    const place = folder === undefined ? '' : ` in ${folder}`;
    const reason = `node-llama-cpp is not installed${place}`;
    const remedy = 'npm install --prefix FOLDER node-llama-cpp, then --peer node-llama-cpp=FOLDER';
    throw new PipelineError('INVALID_ARGUMENT', `--peer: ${reason}. Install it: ${remedy}.`, {
      argument: 'peer',
      reason,
    });
  }
}
