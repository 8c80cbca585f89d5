import { MAGNITUDE_BINS, magnitudeBinStart } from '@thermocline/contracts';

// Thresholds are rounded to this many steps per bin (64 per octave, about 1 %), so that shards
// on machines whose arithmetic differs in the last bits choose the same.
const STEPS_PER_BIN = 8;

/**
 * The magnitude below which a given share of the activations of a layer lies, from their
 * histogram, interpolated within a bin.
 *
 * @param magnitudes - as `LayerActivations.magnitudes`. [MAGNITUDE_BINS]
 * @param sparsity - share that is to lie below, 0–1
 */
export function chooseThreshold(magnitudes: BigInt64Array, sparsity: number): number {
  const counts = Array.from(magnitudes, Number);
  const target = sparsity * counts.reduce((sum, count) => sum + count, 0);
  let below = 0;
  for (const [bin, count] of counts.entries()) {
    if (below + count < target) {
      below += count;
      continue;
    }
    // The first bin holds the zeros, and the last has no end.
    if (bin === 0) return 0;
    const within = bin === MAGNITUDE_BINS - 1 ? 0 : (target - below) / count;
    const steps = Math.round((bin + within) * STEPS_PER_BIN);
    return Math.fround(magnitudeBinStart(steps / STEPS_PER_BIN));
  }
  return 0;
}
