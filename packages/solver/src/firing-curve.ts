/**
 * A layer's firing sums at chosen positions, straight in between: runs of neurons that count as
 * equal. The full curve has every neuron as a run of its own.
 */
export interface FiringCurve {
  /** Neurons before each point; `null` for 0, 1, 2, … [points] */
  positions: Float64Array | null;
  /** Σ of their firing rates. [points] */
  firing: Float64Array;
  neurons: number;
}

/** Every neuron by itself. */
export function fullCurve(firing: Float64Array): FiringCurve {
  return { positions: null, firing, neurons: firing.length - 1 };
}

/**
 * At most about `points` points: evenly over the neurons, closer together among the hottest, and
 * evenly over the firings. It is good for finding multipliers, not for proving anything.
 */
export function coarseCurve(firing: Float64Array, points: number): FiringCurve {
  const neurons = firing.length - 1;
  if (neurons <= points) return fullCurve(firing);
  const marks = new Set<number>([0, neurons]);
  const third = Math.max(2, Math.floor(points / 3));
  const total = firing[neurons] as number;
  for (let i = 1; i < third; i++) {
    marks.add(Math.round((i * neurons) / third));
    marks.add(Math.round(neurons ** (i / third)));
    marks.add(firstReaching(firing, (i * total) / third));
  }
  const positions = Float64Array.from(marks).sort();
  return { positions, firing: positions.map((at) => firing[at] as number), neurons };
}

function firstReaching(firing: Float64Array, sum: number): number {
  let [low, high] = [0, firing.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((firing[middle] as number) < sum) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The point up to which neurons fire more often than `rate`. */
export function pointAbove({ positions, firing }: FiringCurve, rate: number): number {
  let low = 0;
  let high = firing.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    const rise = (firing[middle + 1] as number) - (firing[middle] as number);
    const run =
      positions === null ? 1 : (positions[middle + 1] as number) - (positions[middle] as number);
    if (rise > rate * run) low = middle + 1;
    else high = middle;
  }
  return low;
}
