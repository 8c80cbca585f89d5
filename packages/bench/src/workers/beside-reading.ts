import type { StepStats } from '@thermocline/contracts';
import { openKernelBench } from '@thermocline/runtime';
import { median } from 'simple-statistics';
import type { BesideReading } from '../workload.js';

const READ_MS = 20;
const LEAST_STEPS = 4;
const LONG_ENOUGH_MS = 1500;

/** One step of decode: what it cost each sequence, and how long it took, ms. */
export interface TimedStep {
  costs: readonly StepStats[];
  ms: number;
}

/**
 * Decodes and reads memory in turn, step by step, so that both meet the same moments of a memory that
 * others use too.
 *
 * @param step - decodes a token of every sequence
 * @param most - steps there are
 */
export async function decodeBesideReading(
  step: (index: number) => Promise<TimedStep>,
  most: number,
  threads: number | null,
): Promise<BesideReading> {
  await using reader = await openKernelBench({
    kernel: 'read',
    ...(threads !== null && { threads }),
  });
  const read = async () => {
    const rates: number[] = [];
    let ms = 0;
    while (ms < READ_MS) {
      const { bytes, seconds } = await reader.run();
      rates.push(bytes / seconds);
      ms += 1000 * seconds;
    }
    return rates;
  };
  const rates: number[] = [];
  const [shares, ffnShares]: [number[], number[]] = [[], []];
  const start = performance.now();
  await read(); // warms up
  let before = await read();
  for (let i = 0; i < most; i++) {
    if (i >= LEAST_STEPS && performance.now() - start > LONG_ENOUGH_MS) break;
    const { costs, ms } = await step(i);
    const after = await read();
    const roof = median([...before, ...after]);
    const ffnMs = costs[0]?.ffnMs ?? 0; // a step's time is told to each of its sequences
    shares.push(bytesOf(costs, ({ bytesRead }) => bytesRead) / (ms / 1000) / roof);
    if (ffnMs > 0) {
      ffnShares.push(bytesOf(costs, ({ ffnBytesRead }) => ffnBytesRead) / (ffnMs / 1000) / roof);
    }
    rates.push(roof);
    before = after;
  }
  return {
    bytesPerSecond: median(rates),
    share: median(shares),
    ffnShare: ffnShares.length > 0 ? median(ffnShares) : null,
  };
}

/** A step's bytes are shared out among its sequences. */
function bytesOf(
  costs: readonly StepStats[],
  read: (stats: StepStats) => StepStats['bytesRead'],
): number {
  return costs.reduce((sum, stats) => {
    const { cpu, gpu, flash } = read(stats);
    return sum + cpu + gpu + flash;
  }, 0);
}
