import { answer, endWithParent } from './process/answer.js';
import { burn } from './workers/busy-core.js';
import { measureMemory } from './workers/memory.js';
import { measureNodeLlamaCpp } from './workers/node-llama-cpp.js';
import { measureThermocline } from './workers/thermocline.js';
import type { Workload } from './workload.js';

/** What a process of its own can be asked for. */
export type WorkerTask =
  | { kind: 'thermocline'; work: Workload }
  | { kind: 'node-llama-cpp'; work: Workload; url: string }
  | { kind: 'memory'; threads: number }
  | { kind: 'busy-core' };

async function main(task: WorkerTask): Promise<void> {
  switch (task.kind) {
    case 'thermocline':
      return answer(await measureThermocline(task.work));
    case 'node-llama-cpp':
      return answer(await measureNodeLlamaCpp(task.work, task.url));
    case 'memory':
      return answer(await measureMemory(task.threads));
    case 'busy-core':
      return burn();
  }
}

endWithParent();
main(JSON.parse(process.argv.at(-1) as string) as WorkerTask).catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${message}\n`, () => process.exit(1));
});
