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

/** What two things that are limited cost, in bytes. */
interface Prices {
  /** A unit of value that is missed. */
  value: number;
  /** A neuron that is predicted, beside what it reads. */
  predicted: number;
}

/** Steps the budget is counted in, at most. */
const MOST_UNITS = 1024;
const STEPS = 32;
const FREE = 1e-12;
/** So that the last bit of a sum breaks no limit. */
const ROUNDING = 1e-12;
const DEAREST_VALUE = 1e18;
/** Far above what a neuron reads, and far below what its value may cost. */
const DEAREST_NEURON = 1e7;

/**
 * Chooses a predictor for every layer so that a token reads the fewest bytes: rows of predicted
 * neurons and the predictors themselves.
 *
 * The budget is divided by dynamic programming. Value that may be missed and neurons predicted in
 * vain have a price each (Lagrange multipliers), which is raised until the limit holds. The budget
 * goes before over-prediction: where both cannot hold, the latter is as low as it gets.
 */
export function chooseWidths(problem: WidthProblem): ChosenWidth[] {
  const priced = (predicted: number) => withinLoss(problem, predicted);
  const holds = (chosen: ChosenWidth[]) =>
    overPredictionOf(problem, chosen) <= problem.overPrediction;
  const free = priced(0);
  if (holds(free)) return spendSlack(problem, free);
  const strict = priced(cheapest(DEAREST_NEURON, (predicted) => holds(priced(predicted))));
  return spendSlack(problem, strict);
}

/** What is limited: the budget, the value that is missed, and neurons predicted per firing one. */
interface Use {
  size: number;
  missed: number;
  predicted: number;
  firing: number;
}

const NOTHING: Use = { size: 0, missed: 0, predicted: 0, firing: 0 };

/**
 * A price finds only what lies on a lower hull, so some of a limit may be left over: spends it on
 * whatever layer saves most bytes by it, as long as one does.
 */
function spendSlack(problem: WidthProblem, chosen: readonly ChosenWidth[]): ChosenWidth[] {
  const { layers } = problem;
  const widths = [...chosen];
  const uses = widths.map((width, i) => useOf(layers[i] as LayerChoices, width));
  const total = uses.reduce(plus, { ...NOTHING });
  const value = layers.reduce((sum, layer) => sum + layer.value, 0);
  const most = {
    // Limits that do not hold as it is are not to become worse.
    size: Math.max(problem.budget, total.size),
    missed: Math.max((1 - problem.recall) * value * (1 - ROUNDING), total.missed),
    perFiring: Math.max(problem.overPrediction, overPredictionOf(problem, chosen)),
  };
  const choices = layers.map((layer) =>
    choicesOf(problem, layer).map((width) => ({ width, use: useOf(layer, width) })),
  );
  for (;;) {
    let best: { layer: number; saved: number; width: ChosenWidth; use: Use } | undefined;
    for (const [layer, all] of choices.entries()) {
      const [now, used] = [widths[layer] as ChosenWidth, uses[layer] as Use];
      for (const { width, use } of all) {
        const saved = now.bytes - width.bytes;
        if (saved <= (best?.saved ?? 0)) continue;
        const { size, missed, predicted, firing } = plus(less(total, used), use);
        if (size > most.size || missed > most.missed) continue;
        if (predicted > most.perFiring * firing) continue;
        best = { layer, saved, width, use };
      }
    }
    if (best === undefined) return widths;
    Object.assign(total, plus(less(total, uses[best.layer] as Use), best.use));
    widths[best.layer] = best.width;
    uses[best.layer] = best.use;
  }
}

function choicesOf(
  problem: WidthProblem,
  { candidates, bytesWithout }: LayerChoices,
): ChosenWidth[] {
  const predicting = candidates.flatMap((candidate) =>
    candidate.points.map((point) => ({
      candidate,
      point,
      bytes: bytesAt(problem, candidate, point),
    })),
  );
  return bytesWithout === Number.POSITIVE_INFINITY
    ? predicting
    : [...predicting, { bytes: bytesWithout }];
}

function useOf({ value, firing }: LayerChoices, { candidate, point }: ChosenWidth): Use {
  if (point === undefined) return NOTHING;
  return {
    size: candidate?.size ?? 0,
    missed: value - point.value,
    predicted: point.predicted,
    firing,
  };
}

function plus(a: Use, b: Use): Use {
  return {
    size: a.size + b.size,
    missed: a.missed + b.missed,
    predicted: a.predicted + b.predicted,
    firing: a.firing + b.firing,
  };
}

function less(a: Use, b: Use): Use {
  return plus(a, {
    size: -b.size,
    missed: -b.missed,
    predicted: -b.predicted,
    firing: -b.firing,
  });
}

function withinLoss(problem: WidthProblem, predicted: number): ChosenWidth[] {
  const choose = (value: number) => divideBudget(problem, { value, predicted });
  return choose(
    cheapest(DEAREST_VALUE, (price) => recallOf(problem, choose(price)) >= problem.recall),
  );
}

/** The lowest price, to some digits, at which a limit holds; the highest where it never does. */
function cheapest(dearest: number, holds: (price: number) => boolean): number {
  let [low, high] = [Math.log(FREE), Math.log(dearest)];
  for (let step = 0; step < STEPS; step++) {
    const middle = (low + high) / 2;
    if (holds(Math.exp(middle))) high = middle;
    else low = middle;
  }
  return Math.exp(high);
}

/** What a layer would cost with one choice; `units` of the budget. */
interface Priced {
  width: ChosenWidth;
  price: number;
  units: number;
}

/** The cheapest choices of all layers that fit the budget together. */
function divideBudget(problem: WidthProblem, prices: Prices): ChosenWidth[] {
  const { layers } = problem;
  const unit = unitOf(problem);
  const units = Math.floor(problem.budget / unit);
  // least[u]: of the layers so far, with u units.
  let least = new Float64Array(units + 1);
  const picks: Int16Array[] = [];
  const options = layers.map((layer) => pricedChoices(problem, layer, prices, unit));
  for (const choices of options) {
    const next = new Float64Array(units + 1).fill(Number.POSITIVE_INFINITY);
    const pick = new Int16Array(units + 1).fill(-1);
    for (const [index, { price, units: taken }] of choices.entries()) {
      for (let used = taken; used <= units; used++) {
        const sum = price + (least[used - taken] as number);
        if (sum >= (next[used] as number)) continue;
        next[used] = sum;
        pick[used] = index;
      }
    }
    least = next;
    picks.push(pick);
  }
  let left = units;
  const chosen: ChosenWidth[] = [];
  for (let layer = layers.length - 1; layer >= 0; layer--) {
    const choices = options[layer] as Priced[];
    const index = picks[layer]?.[left] as number;
    // Where not even the narrowest fit together, the caller is told so: every layer has its narrowest.
    const choice = choices[Math.max(0, index)] as Priced;
    left = Math.max(0, left - choice.units);
    chosen[layer] = choice.width;
  }
  return chosen;
}

/** What all sizes are multiples of, unless that is very small. */
function unitOf({ layers, budget }: WidthProblem): number {
  const sizes = layers.flatMap(({ candidates }) => candidates.map(({ size }) => size));
  const common = sizes.reduce((unit, size) => commonDivisor(unit, Math.round(size)), 0);
  return Math.max(common || 1, budget / MOST_UNITS);
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

function pricedChoices(
  problem: WidthProblem,
  layer: LayerChoices,
  prices: Prices,
  unit: number,
): Priced[] {
  const choices = layer.candidates.map((candidate): Priced => {
    const { price, point } = bestPoint(problem, layer, candidate, prices);
    const width = { candidate, point, bytes: bytesAt(problem, candidate, point) };
    return { width, price, units: Math.ceil(candidate.size / unit - 1e-9) };
  });
  const { bytesWithout } = layer;
  if (bytesWithout === Number.POSITIVE_INFINITY) return choices;
  return [...choices, { width: { bytes: bytesWithout }, price: bytesWithout, units: 0 }];
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
