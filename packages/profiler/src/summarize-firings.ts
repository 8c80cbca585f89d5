/** How unequally some neurons fire: those of a layer, or of a whole model. */
export interface FiringSummary {
  neurons: number;
  /** Tokens seen. */
  tokens: number;
  /** Firings ÷ (neurons · tokens); `null` where nothing was read. */
  activeRatio: number | null;
  /** Smallest share of the neurons that makes 80 % of the firings; `null` where none fired. */
  neuronsFor80Percent: number | null;
  /** Neurons that did not fire once. */
  neverFired: number;
  /** 0: all fire equally often; near 1: few make nearly all firings. `null` where none fired. */
  gini: number | null;
  curve: FiringCurve;
}

/**
 * Neurons sorted from the hottest to the coldest, at enough ranks to draw a line through. Ranks
 * lie closer at the hot end, where the line bends. All three have the same length.
 */
export interface FiringCurve {
  /** Share of the neurons that fire at least this often; ends with 1. */
  neurons: number[];
  /** Share of all firings that these make: the paper's Figure 4. */
  firings: number[];
  /** Share of the tokens on which the last of these fires. */
  rates: number[];
}

/** The paper's measure of concentration. */
const COVERED = 0.8;

const CURVE_POINTS = 128;

/**
 * Summarizes counts that are sorted upwards, as typed arrays sort.
 *
 * @param ascending - firings per neuron
 * @param tokens - how many tokens made them
 */
export function summarizeFirings(ascending: Float64Array, tokens: number): FiringSummary {
  const neurons = ascending.length;
  const curve: FiringCurve = { neurons: [], firings: [], rates: [] };
  const total = ascending.reduce((sum, count) => sum + count, 0);
  const ranks = curveRanks(neurons);
  let [next, reached, weighted, fired] = [0, 0, 0, 0];
  let enough: number | null = null;
  for (let rank = 1; rank <= neurons; rank++) {
    const count = ascending[neurons - rank] as number;
    reached += count;
    weighted += count * rank;
    if (count > 0) fired = rank;
    if (enough === null && total > 0 && reached >= COVERED * total) enough = rank;
    if (rank !== ranks[next]) continue;
    next++;
    curve.neurons.push(rank / neurons);
    curve.firings.push(total > 0 ? reached / total : 0);
    curve.rates.push(tokens > 0 ? count / tokens : 0);
  }
  return {
    neurons,
    tokens,
    activeRatio: tokens > 0 ? total / (tokens * neurons) : null,
    neuronsFor80Percent: enough === null ? null : enough / neurons,
    neverFired: neurons - fired,
    // Σ rank · count is smallest when the hottest come first; rank 1 is the hottest.
    gini: total > 0 ? (neurons + 1 - (2 * weighted) / total) / neurons : null,
    curve,
  };
}

/** Ranks from 1 to the last one, spaced by their square roots. */
function curveRanks(neurons: number): number[] {
  const ranks = new Set<number>();
  for (let i = 1; i <= CURVE_POINTS; i++) {
    ranks.add(Math.max(1, Math.round(neurons * (i / CURVE_POINTS) ** 2)));
  }
  return [...ranks];
}
