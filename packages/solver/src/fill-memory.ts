import { fullCurve, pointAbove } from './firing-curve.js';
import type { LayerProblem } from './problem.js';

const MAX_STEPS = 64;

/**
 * How many neurons of each layer live in memory after those on the GPU: the hottest of all layers'
 * per byte, as many as the budget holds.
 */
export function fillMemory(
  layers: readonly LayerProblem[],
  onGpu: readonly number[],
  budget: number,
): number[] {
  const curves = layers.map(({ firing }) => fullCurve(firing));
  const most = layers.map(({ firing, rates }, index) =>
    rates.cpu === null ? 0 : firing.length - 1 - (onGpu[index] as number),
  );
  const above = (rate: number) =>
    layers.map(({ neuronBytes }, index) => {
      const hot = pointAbove(curves[index] as (typeof curves)[number], rate * neuronBytes);
      return Math.min(Math.max(0, hot - (onGpu[index] as number)), most[index] as number);
    });
  const bytesOf = (counts: readonly number[]) =>
    counts.reduce((sum, count, index) => sum + count * (layers[index]?.neuronBytes ?? 0), 0);

  if (bytesOf(most) <= budget) return most;
  // Firings per byte below which a neuron does not come in.
  let [low, high] = [0, Math.max(0, ...layers.map(hottestPerByte))];
  for (let step = 0; step < MAX_STEPS && low < high; step++) {
    const middle = (low + high) / 2;
    if (bytesOf(above(middle)) > budget) low = middle;
    else high = middle;
  }
  const counts = above(high);
  fillRest(layers, counts, most, budget - bytesOf(counts));
  return counts;
}

function hottestPerByte({ firing, neuronBytes }: LayerProblem): number {
  return (firing[1] ?? 0) / neuronBytes;
}

/** Equal neurons at the border: as many as still fit, layer by layer. */
function fillRest(
  layers: readonly LayerProblem[],
  counts: number[],
  most: readonly number[],
  left: number,
): void {
  let free = left;
  for (const [index, { neuronBytes }] of layers.entries()) {
    const room = (most[index] as number) - (counts[index] as number);
    const more = Math.min(room, Math.floor(free / neuronBytes));
    counts[index] = (counts[index] as number) + more;
    free -= more * neuronBytes;
  }
}
