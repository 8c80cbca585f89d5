import { MAGNITUDE_BINS, magnitudeBinStart } from '@thermocline/contracts';

/** A value below which a share of the magnitudes lies. */
export interface MagnitudeQuantile {
  share: number;
  /** The geometric middle of the bin it lies in. */
  value: number;
}

/** How large the activations of a layer are, as far as bins can tell. */
export interface MagnitudeSummary {
  /** Of the magnitudes that are not zero; empty where all are. */
  quantiles: MagnitudeQuantile[];
  /** Share of all magnitudes that are zero or too small for the bins (below 2⁻²⁴). */
  zeroRatio: number | null;
  /** Share of the others in each bin; bin 0 is left at 0. [MAGNITUDE_BINS] */
  density: number[];
}

/** A quantile may be off by this factor either way: half of a bin. */
export const MAGNITUDE_ERROR = 2 ** (1 / 16);

const SHARES = [0.01, 0.1, 0.5, 0.9, 0.99];

/** Reads quantiles off a histogram of `LayerActivations.magnitudes`. */
export function summarizeMagnitudes(magnitudes: BigInt64Array): MagnitudeSummary {
  const counts = Array.from(magnitudes, Number);
  const [small = 0, ...others] = counts;
  const total = others.reduce((sum, count) => sum + count, 0);
  return {
    quantiles: total > 0 ? SHARES.map((share) => quantile(counts, share, total)) : [],
    zeroRatio: total + small > 0 ? small / (total + small) : null,
    density: counts.map((count, bin) => (bin > 0 && total > 0 ? count / total : 0)),
  };
}

function quantile(counts: readonly number[], share: number, total: number): MagnitudeQuantile {
  let below = 0;
  for (let bin = 1; bin < MAGNITUDE_BINS; bin++) {
    below += counts[bin] as number;
    if (below >= share * total) return { share, value: binMiddle(bin) };
  }
  return { share, value: binMiddle(MAGNITUDE_BINS - 1) };
}

function binMiddle(bin: number): number {
  return magnitudeBinStart(bin) * MAGNITUDE_ERROR;
}
