import { type StepStats, TIERS } from '@thermocline/contracts';

/** What is counted by layer. */
const BY_LAYER = ['fired', 'neurons', 'computed', 'predictorBytes', 'predictorMs'] as const;

/** The stats of no step at all, to add to. */
export function noStats(layers: number): StepStats {
  const zeros = () => new Array<number>(layers).fill(0);
  return {
    tokens: 0,
    timeMs: 0,
    bytesRead: { gpu: 0, cpu: 0, flash: 0 },
    ffnBytesRead: { gpu: 0, cpu: 0, flash: 0 },
    ffnMs: 0,
    fired: zeros(),
    neurons: zeros(),
    computed: zeros(),
    predictorBytes: zeros(),
    predictorMs: zeros(),
  };
}

/** Adds what a step cost to a sum. */
export function addStats(sum: StepStats, step: StepStats): void {
  sum.tokens += step.tokens;
  sum.timeMs += step.timeMs;
  sum.ffnMs += step.ffnMs;
  for (const tier of TIERS) {
    sum.bytesRead[tier] += step.bytesRead[tier];
    sum.ffnBytesRead[tier] += step.ffnBytesRead[tier];
  }
  for (const what of BY_LAYER) {
    for (const layer of sum[what].keys()) {
      sum[what][layer] = (sum[what][layer] ?? 0) + (step[what]?.[layer] ?? 0);
    }
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
 * Share of neurons that were computed, over all layers; `null` when nothing was counted. In lossy
 * modes this is what is known: whatever else would have fired was not looked at.
 *
 * @example
 * computedRatio((await session.evaluate(tokens)).stats); // 0.203
 */
export function computedRatio({ computed, neurons }: Pick<StepStats, 'computed' | 'neurons'>) {
  return activeRatio({ fired: computed, neurons });
}

/**
 * The same for each layer, of those that fired.
 *
 * @example
 * activeRatioPerLayer({ fired: [150, 40], neurons: [1024, 1024] }); // [0.146, 0.039]
 */
export function activeRatioPerLayer({ fired, neurons }: Pick<StepStats, 'fired' | 'neurons'>) {
  return neurons.map((all, layer) => (all > 0 ? (fired[layer] ?? 0) / all : null));
}
