import { type StepStats, TIERS } from '@thermocline/contracts';

/** The stats of no step at all, to add to. */
export function noStats(layers: number): StepStats {
  return {
    tokens: 0,
    timeMs: 0,
    bytesRead: { gpu: 0, cpu: 0, flash: 0 },
    ffnBytesRead: { gpu: 0, cpu: 0, flash: 0 },
    fired: new Array<number>(layers).fill(0),
    neurons: new Array<number>(layers).fill(0),
  };
}

/** Adds what a step cost to a sum. */
export function addStats(sum: StepStats, step: StepStats): void {
  sum.tokens += step.tokens;
  sum.timeMs += step.timeMs;
  for (const tier of TIERS) {
    sum.bytesRead[tier] += step.bytesRead[tier];
    sum.ffnBytesRead[tier] += step.ffnBytesRead[tier];
  }
  for (const layer of sum.fired.keys()) {
    sum.fired[layer] = (sum.fired[layer] ?? 0) + (step.fired[layer] ?? 0);
    sum.neurons[layer] = (sum.neurons[layer] ?? 0) + (step.neurons[layer] ?? 0);
  }
}

/**
 * Share of neurons that fired, over all layers; `null` when nothing was counted.
 *
 * @example
 * activeRatio((await session.evaluate(tokens)).stats); // 0.117
 */
export function activeRatio({ fired, neurons }: Pick<StepStats, 'fired' | 'neurons'>) {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const all = sum(neurons);
  return all > 0 ? sum(fired) / all : null;
}

/**
 * The same for each layer.
 *
 * @example
 * activeRatioPerLayer({ fired: [150, 40], neurons: [1024, 1024] }); // [0.146, 0.039]
 */
export function activeRatioPerLayer({ fired, neurons }: Pick<StepStats, 'fired' | 'neurons'>) {
  return neurons.map((all, layer) => (all > 0 ? (fired[layer] ?? 0) / all : null));
}
