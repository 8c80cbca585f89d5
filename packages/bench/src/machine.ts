import { release, totalmem } from 'node:os';
import { hostInfo, machineName } from '@thermocline/runtime';
import { max } from 'simple-statistics';
import type { Benchmark } from './benchmark.js';
import { type FreshOptions, runFresh } from './process/run-fresh.js';
import { workerCommand } from './process/worker-command.js';
import type { WorkerTask } from './worker.js';

type Machine = Benchmark['machine'];

/** What a reader must know of the machine; its bandwidth is measured apart. */
export function describeMachine(kernels: string | undefined): Machine {
  const host = hostInfo();
  const { model, cores, threads, features } = host.cpu;
  return {
    name: machineName(model, cores),
    processor: model,
    cores,
    threads,
    features,
    memory_bytes: totalmem(),
    huge_pages: host.hugePages,
    kernels: kernels ?? host.kernels.find(({ chosen }) => chosen)?.name ?? 'unknown',
    system: `${process.platform} ${release()}`,
    node: process.version,
    memory: [],
    peak_bytes_per_second: null,
  };
}

/** Streams memory in a process of its own and adds what it moved to the machine's figures. */
export async function measureBandwidth(
  machine: Machine,
  threads: number,
  options: FreshOptions,
): Promise<void> {
  const task: WorkerTask = { kind: 'memory', threads };
  const { answer } = await runFresh<{ bytesPerSecond: number; cpuMs: number }>(
    workerCommand(),
    task,
    options,
  );
  let entry = machine.memory.find((one) => one.threads === threads);
  if (entry === undefined) {
    entry = { threads, bytes_per_second: [] };
    machine.memory.push(entry);
  }
  entry.bytes_per_second.push(answer.bytesPerSecond);
  const all = machine.memory.flatMap(({ bytes_per_second }) => bytes_per_second);
  machine.peak_bytes_per_second = max(all);
}
