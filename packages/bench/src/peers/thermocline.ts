import type { Contender } from '../contender.js';
import { runFresh } from '../process/run-fresh.js';
import { workerCommand } from '../process/worker-command.js';
import type { WorkerTask } from '../worker.js';
import type { Measurement } from '../workload.js';

/** This engine, in a process of its own. */
export const thermocline: Contender = {
  name: 'thermocline',
  takes: new Set(['threads', 'batch', 'context']),
  local: true,
  measure(work, options) {
    const task: WorkerTask = { kind: 'thermocline', work };
    return runFresh<Measurement & { cpuMs: number }>(workerCommand(), task, options);
  },
};
