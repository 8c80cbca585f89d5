import { type LayerActivations, PipelineError } from '@thermocline/contracts';

/** The neurons of a layer by how often they fire. */
export interface SortedNeurons {
  /** Neuron ids, hottest first; equal ones by id. [n_ff] */
  order: Uint32Array;
  /** Sums of the firing rates of the first k of them. [n_ff + 1] */
  firing: Float64Array;
}

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;

/**
 * Sorts the neurons of a layer by their firing rate, fires ÷ tokens.
 *
 * @throws PipelineError `INVALID_ARGUMENT` when the layer has seen no token
 */
export function sortNeurons({ fires, tokens }: LayerActivations, layer: number): SortedNeurons {
  if (!(tokens > 0)) {
    const reason = `layer ${layer} has seen no token`;
    const message = `The profile's ${reason}. Profile a text first.`;
    throw new PipelineError('INVALID_ARGUMENT', message, { argument: 'profile', reason });
  }
  const counts = toNumbers(fires);
  const order = sortDescending(counts);
  const firing = new Float64Array(order.length + 1);
  // Counts add up exactly; only then are they divided.
  let sum = 0;
  for (let k = 0; k < order.length; k++) {
    sum += counts[order[k] as number] as number;
    firing[k + 1] = sum / tokens;
  }
  return { order, firing };
}

/** Whole numbers to 2⁵³, read as pairs of words: making a BigInt of each would take most of a solve. */
function toNumbers(values: BigInt64Array): Float64Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, 2 * values.length);
  const numbers = new Float64Array(values.length);
  for (let i = 0; i < numbers.length; i++) {
    numbers[i] = (words[2 * i] as number) + (words[2 * i + 1] as number) * 2 ** 32;
  }
  return numbers;
}

/** Indices of the largest value first, equal ones in order: radix sort, 11 bits at a time. */
function sortDescending(counts: Float64Array): Uint32Array {
  let most = 0;
  let order = new Uint32Array(counts.length);
  for (let i = 0; i < counts.length; i++) {
    most = Math.max(most, counts[i] as number);
    order[i] = i;
  }
  if (most >= 2 ** 32) {
    return order.sort((a, b) => (counts[b] as number) - (counts[a] as number) || a - b);
  }
  const keys = new Uint32Array(counts.length);
  for (let i = 0; i < keys.length; i++) keys[i] = most - (counts[i] as number);
  let next = new Uint32Array(order.length);
  for (let shift = 0; shift < 32 && most >>> shift > 0; shift += DIGIT_BITS) {
    const starts = digitStarts(keys, shift);
    for (let i = 0; i < order.length; i++) {
      const index = order[i] as number;
      const digit = ((keys[index] as number) >>> shift) & (DIGITS - 1);
      const at = starts[digit] as number;
      starts[digit] = at + 1;
      next[at] = index;
    }
    [order, next] = [next, order];
  }
  return order;
}

function digitStarts(keys: Uint32Array, shift: number): Uint32Array {
  const starts = new Uint32Array(DIGITS + 1);
  for (let i = 0; i < keys.length; i++) {
    const digit = ((keys[i] as number) >>> shift) & (DIGITS - 1);
    starts[digit + 1] = (starts[digit + 1] as number) + 1;
  }
  for (let digit = 0; digit < DIGITS; digit++) {
    starts[digit + 1] = (starts[digit + 1] as number) + (starts[digit] as number);
  }
  return starts;
}
