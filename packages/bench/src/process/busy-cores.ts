import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { workerCommand } from './worker-command.js';

/**
 * Keeps cores busy with arithmetic that touches no memory, each by a process of its own, until it
 * is disposed of. They end with this process, however that ends.
 *
 * @example
 * using neighbours = await keepCoresBusy(1);
 */
export async function keepCoresBusy(cores: number): Promise<Disposable> {
  const children: ChildProcess[] = [];
  const stop = () => {
    for (const child of children) child.kill('SIGKILL');
  };
  try {
    for (let i = 0; i < cores; i++) children.push(await startNeighbour());
  } catch (error) {
    stop();
    throw error;
  }
  return { [Symbol.dispose]: stop };
}

async function startNeighbour(): Promise<ChildProcess> {
  const [file, ...args] = workerCommand();
  const child = spawn(file, [...args, JSON.stringify({ kind: 'busy-core' })], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  // It speaks up once it burns.
  await Promise.race([once(child.stdout, 'data'), once(child, 'error').then(fail)]);
  return child;
}

function fail([error]: unknown[]): never {
  throw error;
}
