import { checkChoice } from './evaluate-choice.js';
import { fullCurve, pointAbove } from './firing-curve.js';
import type { PlacedDense } from './place-dense.js';
import type { LayerProblem, PlacementChoice, PlacementProblem } from './problem.js';

const MAX_STEPS = 64;

/**
 * How many neurons of each layer live in memory after those on the GPU: the hottest of all layers'
 * per byte, as many as the budget holds.
 */
function fillMemory(
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

/**
 * The bytes of neurons that memory and flash can hold together at most: both hold whole neurons, so
 * what is left of either beyond a multiple of a divisor of all their sizes is of no use.
 */
export function restBudget({ layers, budgetBytes }: PlacementProblem, memory: number): number {
  const unit = layers.reduce((unit, { neuronBytes }) => divisor(unit, neuronBytes), 0) || 1;
  const flash = layers.some(({ rates }) => rates.flash !== null) ? budgetBytes.flash : 0;
  return Math.floor(memory / unit) * unit + Math.floor(flash / unit) * unit;
}

/** What memory holds of the rest, and whether flash holds the others. */
export interface PlacedRest {
  choice: PlacementChoice;
  /** Bytes of memory that no neuron fits into, although more are on flash than it holds. */
  unused: number;
  /** `null`: every budget is kept. */
  fault: string | null;
}

/** Places what is not on the GPU: the hottest in memory or, where flash runs out, the largest. */
export function placeRest(
  problem: PlacementProblem,
  { dense, head, left }: PlacedDense,
  gpu: number[],
): PlacedRest {
  const { layers } = problem;
  const hottest = { dense, head, gpu, cpu: fillMemory(layers, gpu, left.cpu) };
  if (checkChoice(problem, hottest) === null) return { choice: hottest, unused: 0, fault: null };
  const cpu = layers.map(() => 0);
  let unused = left.cpu;
  const largestFirst = [...layers.entries()].sort(([, a], [, b]) => b.neuronBytes - a.neuronBytes);
  for (const [index, { firing, neuronBytes }] of largestFirst) {
    const rest = firing.length - 1 - (gpu[index] as number);
    const count = Math.min(rest, Math.floor(unused / neuronBytes));
    cpu[index] = count;
    unused -= count * neuronBytes;
  }
  const choice = { dense, head, gpu, cpu };
  return { choice, unused, fault: checkChoice(problem, choice) };
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
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
