// Which machine this is, and how much of it others are using.
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

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

/** Jiffies the machine's processors have been busy so far, or null where Linux does not say. */
export function busyTicks() {
  try {
    const fields = readFileSync('/proc/stat', 'utf8').split('\n')[0]?.split(/\s+/).slice(1) ?? [];
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields.map(Number);
    return user + nice + system + irq + softirq;
  } catch {
    return null;
  }
}

/** Cores' worth of work that others do, over a quarter of a second; 0 on an idle machine. */
async function otherLoad() {
  const [start, ticks] = [performance.now(), busyTicks()];
  await sleep(250);
  const now = busyTicks();
  if (ticks === null || now === null) return Number.NaN;
  return ((now - ticks) * 10) / (performance.now() - start);
}

/**
 * Waits for the machine to be idle, for at most the given time.
 *
 * @param {number} timeLimitMs
 * @returns {Promise<number>} the load in the end, in cores
 */
export async function waitForIdle(timeLimitMs) {
  const end = performance.now() + timeLimitMs;
  let load = await otherLoad();
  while (load > 0.15 && performance.now() < end) load = await otherLoad();
  return load;
}
