import type { HardwareInfo, Mode, Tier, TierInfo } from '@thermocline/contracts';
import { flashReadBytes, type NeuronBytes } from './memory-model.js';
import type { TierRate } from './problem.js';

/** What of a neuron is read for every token, and what only for tokens on which it fires. */
export interface NeuronReads {
  alwaysBytes: number;
  firingBytes: number;
  /** Neurons taken for firing per neuron that fires. */
  overPrediction: number;
}

/**
 * What a mode reads of a neuron. `exact` knows who fires from the gate (without a gate: from the up
 * row), `threshold` from the gate as well, `predicted` from a predictor.
 */
export function neuronReads(mode: Mode, bytes: NeuronBytes, overPrediction: number): NeuronReads {
  const { gate, up, down, bundle } = bytes;
  switch (mode) {
    case 'dense':
      return { alwaysBytes: bundle, firingBytes: 0, overPrediction: 1 };
    case 'predicted':
      return { alwaysBytes: 0, firingBytes: bundle, overPrediction };
    case 'exact':
    case 'threshold':
      return gate > 0
        ? { alwaysBytes: gate, firingBytes: up + down, overPrediction: 1 }
        : { alwaysBytes: up, firingBytes: down, overPrediction: 1 };
  }
}

/** Seconds that each tier takes for a neuron; `null` where the machine has no such tier. */
export function tierRates(
  { tiers }: HardwareInfo,
  reads: NeuronReads,
): Record<Tier, TierRate | null> {
  const rate = (tier: TierInfo | undefined, seconds: (bytes: number) => number) =>
    tier === undefined
      ? null
      : {
          perNeuron: reads.alwaysBytes / tier.sequentialBytesPerSecond,
          perFiring: reads.overPrediction * seconds(reads.firingBytes),
        };
  const { gpu, cpu, flash } = tiers;
  return {
    // Thousands of threads hide where the rows lie.
    gpu: rate(gpu, (bytes) => bytes / (gpu as TierInfo).sequentialBytesPerSecond),
    cpu: rate(cpu, (bytes) => randomReadSeconds(cpu, bytes)),
    flash: rate(flash, (bytes) => randomReadSeconds(flash as TierInfo, flashReadBytes(bytes))),
  };
}

/**
 * Seconds for one of many scattered reads of `bytes`, at the best queue depth. Between two measured
 * sizes time grows in a straight line, as a start-up cost and a rate would make it, and the first
 * of these lines goes on below the smallest size. Beyond the largest, more bytes stream.
 */
export function randomReadSeconds(tier: TierInfo, bytes: number): number {
  const streaming = bytes / tier.sequentialBytesPerSecond;
  if (bytes === 0) return 0;
  const points = bestByBlock(tier);
  const last = points.at(-1);
  if (last === undefined) return streaming;
  if (bytes >= last.bytes) {
    return last.seconds + (bytes - last.bytes) / tier.sequentialBytesPerSecond;
  }
  const above = Math.max(
    1,
    points.findIndex((point) => point.bytes >= bytes),
  );
  const [from, to] = [points[above - 1] as Point, points[above]];
  if (to === undefined) return Math.max(streaming, from.seconds);
  const share = (bytes - from.bytes) / (to.bytes - from.bytes);
  return Math.max(streaming, from.seconds + share * (to.seconds - from.seconds));
}

interface Point {
  bytes: number;
  seconds: number;
}

function bestByBlock({ random }: TierInfo): Point[] {
  const best = new Map<number, number>();
  for (const { blockBytes, bytesPerSecond } of random) {
    best.set(blockBytes, Math.max(best.get(blockBytes) ?? 0, bytesPerSecond));
  }
  return [...best]
    .map(([bytes, rate]) => ({ bytes, seconds: bytes / rate }))
    .sort((a, b) => a.bytes - b.bytes);
}
