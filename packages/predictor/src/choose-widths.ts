/** What a predictor finds with one common threshold, per token. */
export interface OperatingPoint {
  predicted: number;
  hits: number;
  value: number;
}

/** A predictor a layer could have. */
export interface Candidate {
  /** 0 for kinds without one. */
  rank: number;
  /** What it takes of the budget, and what a token reads of it. */
  size: number;
  bytes: number;
  points: readonly OperatingPoint[];
}

/** What is known of a layer when its width is chosen. Everything is per token. */
export interface LayerChoices {
  candidates: readonly Candidate[];
  /** Bytes without a predictor; infinite where there must be one. */
  bytesWithout: number;
  firing: number;
  /** Σ |h|·‖down column‖ of what fires. */
  value: number;
}

export interface WidthProblem {
  layers: readonly LayerChoices[];
  /** Bytes of the rows that are read of every predicted neuron, and of those that then fire. */
  predictedBytes: number;
  firingBytes: number;
  /** In the unit of `Candidate.size`. */
  budget: number;
  /** Value recall over all layers, at least. */
  recall: number;
  /** Σ predicted ÷ Σ firing over layers with a predictor, at most where the budget allows it. */
  overPrediction: number;
}

/** A layer's choice; no candidate: no predictor. */
export interface ChosenWidth {
  candidate?: Candidate;
  point?: OperatingPoint;
  bytes: number;
}

/** What a unit costs of each thing that is limited, in bytes. */
interface Prices {
  /** Of value that is missed. */
  value: number;
  /** Of the budget. */
  size: number;
  /** Of a neuron that is predicted, beside what it reads. */
  predicted: number;
}

const STEPS = 28;
const FREE = 1e-12;
const DEAR = 1e15;

/**
 * Chooses a predictor for every layer so that a token reads the fewest bytes: rows of predicted
 * neurons and the predictors themselves. Three limits have a price each (Lagrange multipliers),
 * which is raised until the limit holds: the value that may be missed, the size of all predictors,
 * and how many neurons are predicted in vain. With prices given, each layer decides for itself, and a
 * layer where no predictor saves anything has none.
 *
 * The budget goes before over-prediction: where both cannot hold, the latter is as low as it gets.
 */
export function chooseWidths(problem: WidthProblem): ChosenWidth[] {
  const priced = (predicted: number) => withinBudget(problem, predicted);
  const free = priced(0);
  if (overPredictionOf(problem, free.chosen) <= problem.overPrediction) return free.chosen;
  const prices = cheapest((predicted) => {
    const { chosen } = priced(predicted);
    return overPredictionOf(problem, chosen) <= problem.overPrediction;
  });
  return priced(prices).chosen;
}

function withinBudget(problem: WidthProblem, predicted: number) {
  const priced = (size: number) => withinLoss(problem, predicted, size);
  let size = 0;
  if (sizeOf(priced(0).chosen) > problem.budget) {
    size = cheapest((price) => sizeOf(priced(price).chosen) <= problem.budget);
  }
  const { chosen, prices } = priced(size);
  return { prices, chosen: fillBudget(problem, chosen, prices) };
}

function withinLoss(problem: WidthProblem, predicted: number, size: number) {
  const choose = (value: number) => chooseAll(problem, { value, size, predicted });
  const value = cheapest((price) => recallOf(problem, choose(price)) >= problem.recall);
  return { prices: { value, size, predicted }, chosen: choose(value) };
}

/** The lowest price, to some digits, at which a limit holds; the highest where it never does. */
function cheapest(holds: (price: number) => boolean): number {
  let [low, high] = [Math.log(FREE), Math.log(DEAR)];
  for (let step = 0; step < STEPS; step++) {
    const middle = (low + high) / 2;
    if (holds(Math.exp(middle))) high = middle;
    else low = middle;
  }
  return Math.exp(high);
}

function chooseAll(problem: WidthProblem, prices: Prices): ChosenWidth[] {
  return problem.layers.map((layer) => {
    let best: ChosenWidth = { bytes: layer.bytesWithout };
    let least = layer.bytesWithout;
    for (const candidate of layer.candidates) {
      const { price, point } = bestPoint(problem, layer, candidate, prices);
      const total = price + prices.size * candidate.size;
      if (total >= least) continue;
      least = total;
      best = { candidate, point, bytes: bytesAt(problem, candidate, point) };
    }
    return best;
  });
}

function bestPoint(
  { predictedBytes, firingBytes }: WidthProblem,
  { value }: LayerChoices,
  { bytes, points }: Candidate,
  prices: Prices,
): { price: number; point: OperatingPoint } {
  let point = points[0] as OperatingPoint;
  let least = Number.POSITIVE_INFINITY;
  for (const here of points) {
    const read = here.predicted * (predictedBytes + prices.predicted) + here.hits * firingBytes;
    const price = bytes + read + prices.value * (value - here.value);
    if (price >= least) continue;
    least = price;
    point = here;
  }
  return { price: least, point };
}

function bytesAt(
  { predictedBytes, firingBytes }: WidthProblem,
  { bytes }: Candidate,
  { predicted, hits }: OperatingPoint,
): number {
  return bytes + predicted * predictedBytes + hits * firingBytes;
}

/** Uses what whole steps of width left of the budget where that lowers the price without one on size. */
function fillBudget(problem: WidthProblem, chosen: ChosenWidth[], prices: Prices): ChosenWidth[] {
  const result = [...chosen];
  const atPrice = { ...prices, size: 0 };
  while (true) {
    const left = problem.budget - sizeOf(result);
    let best: { layer: number; gain: number; width: ChosenWidth } | undefined;
    for (const [layer, choices] of problem.layers.entries()) {
      const before = result[layer]?.candidate;
      if (before === undefined) continue;
      const now = bestPoint(problem, choices, before, atPrice).price;
      for (const candidate of choices.candidates) {
        const more = candidate.size - before.size;
        if (more <= 0 || more > left) continue;
        const { price, point } = bestPoint(problem, choices, candidate, atPrice);
        const gain = (now - price) / more;
        if (gain <= (best?.gain ?? 0)) continue;
        const bytes = bytesAt(problem, candidate, point);
        best = { layer, gain, width: { candidate, point, bytes } };
      }
    }
    if (best === undefined) return result;
    result[best.layer] = best.width;
  }
}

function sizeOf(chosen: readonly ChosenWidth[]): number {
  return chosen.reduce((sum, { candidate }) => sum + (candidate?.size ?? 0), 0);
}

/** Value recall over all layers; one without a predictor misses nothing. */
export function recallOf({ layers }: WidthProblem, chosen: readonly ChosenWidth[]): number {
  let [total, missed] = [0, 0];
  for (const [i, { value }] of layers.entries()) {
    total += value;
    missed += value - (chosen[i]?.point?.value ?? value);
  }
  return total > 0 ? 1 - missed / total : 1;
}

/** Σ predicted ÷ Σ firing over the layers that predict. */
export function overPredictionOf({ layers }: WidthProblem, chosen: readonly ChosenWidth[]): number {
  let [predicted, firing] = [0, 0];
  for (const [i, layer] of layers.entries()) {
    const point = chosen[i]?.point;
    if (point === undefined) continue;
    predicted += point.predicted;
    firing += layer.firing;
  }
  return firing > 0 ? predicted / firing : 1;
}
