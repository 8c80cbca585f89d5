// Which machine this is.
import { availableParallelism, cpus, release, totalmem } from 'node:os';

/** A folder name for results: processor and cores. */
export function machineName() {
  const model = (cpus()[0]?.model ?? 'unknown').toLowerCase();
  const plain = model.replace(/\(r\)|\(tm\)|cpu|processor|@.*$/g, ' ').match(/[a-z0-9]+/g) ?? [];
  return `${plain.join('-')}-${availableParallelism()}-cores`;
}

/** What a reader of the results should know of the machine. */
export function describeMachine() {
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    system: `${process.platform} ${release()}`,
  };
}
