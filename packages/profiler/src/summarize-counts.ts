/** Firing counts as plain numbers, of all layers one after the other. */
export interface FiringCounts {
  /** [Σ n_ff] */
  all: Float64Array;
  /** Views of `all`. [layers][n_ff] */
  layers: Float64Array[];
  /** How many tokens the counts are of. */
  tokens: number;
}

/**
 * Counts that can be compared across layers. Where a layer saw fewer tokens than others, its
 * counts are scaled to as many as those saw; where all saw the same, they stay as they are.
 */
export function firingCounts(
  fires: readonly BigInt64Array[],
  tokens: readonly number[],
): FiringCounts {
  const most = Math.max(0, ...tokens);
  const all = new Float64Array(fires.reduce((sum, { length }) => sum + length, 0));
  let start = 0;
  const layers = fires.map((counts, layer) => {
    const seen = tokens[layer] ?? 0;
    const scale = seen > 0 ? most / seen : 0;
    const values = all.subarray(start, start + counts.length);
    for (let i = 0; i < counts.length; i++) values[i] = Number(counts[i]) * scale;
    start += counts.length;
    return values;
  });
  return { all, layers, tokens: most };
}
