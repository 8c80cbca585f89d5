// However skewed, a neuron keeps firing now and then, and not always: what never or always fires
// cannot be measured, and takes no part in sparsity.
const HIGHEST = 0.95;
const LOWEST_OF_MEAN = 0.02;

/**
 * Firing rates that fall with a power of the rank and average to `density`, hottest first. [neurons]
 *
 * @param skew - the exponent; 0 makes all neurons alike
 */
export function powerLawRates(neurons: number, density: number, skew: number): Float64Array {
  const falling = Float64Array.from({ length: neurons }, (_, rank) =>
    Math.exp(-skew * Math.log(rank + 1)),
  );
  const lowest = density * LOWEST_OF_MEAN;
  const rateAt = (factor: number, rank: number): number =>
    Math.min(HIGHEST, Math.max(lowest, factor * (falling[rank] as number)));
  const meanAt = (factor: number): number => {
    let sum = 0;
    for (let rank = 0; rank < neurons; rank++) sum += rateAt(factor, rank);
    return sum / neurons;
  };
  // The factor spans what the lowest clip and the highest one could ask for.
  let [low, high] = [0, HIGHEST * Math.exp(skew * Math.log(neurons + 1))];
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2;
    if (meanAt(middle) < density) low = middle;
    else high = middle;
  }
  return falling.map((_, rank) => rateAt(high, rank));
}
