import { type ConcaveMaximum, type ConcavePoint, maximiseOnHalfLine } from './concave-search.js';

/** One thing to decide: each option costs something and takes bytes of each resource. */
export interface ChoiceItem {
  /** [options] */
  costs: Float64Array;
  /** [resources][options] */
  bytes: readonly Float64Array[];
}

/** The cheapest options found that keep within the budgets. */
export interface MultipleChoice {
  /** [items] */
  picks: number[];
  cost: number;
  /** Nothing is cheaper. */
  exact: boolean;
}

/** How long to look. Counts, unlike times, give the same answer on every machine. */
export interface MultipleChoiceLimits {
  /** Partial answers kept after each item. */
  maxStates: number;
  /** Partial answers looked at, all in all. */
  maxWork: number;
  /** `performance.now()` at which the best so far is taken. */
  deadline: number;
}

interface Effort extends MultipleChoiceLimits {
  /** Of `maxWork`. */
  left: number;
}

interface Prices extends ConcavePoint {
  prices: number[];
  slopes: number[];
}

/** Partial answers over the first items; parallel arrays. */
interface States {
  cost: number[];
  /** What cost + priced bytes are above the least. */
  excess: number[];
  /** [resources][states] */
  used: number[][];
  parent: number[];
  option: number[];
}

const FIRST_WINDOW = 1e-7;
const WINDOW_GROWTH = 6;

/**
 * Picks one option of each item so that the costs add up to least within the budgets: a
 * multiple-choice knapsack. Prices for the resources make every option's reduced cost known: how far
 * it is from its item's cheapest. An answer whose distance from the Lagrange bound is δ uses only
 * options of reduced cost ≤ δ, so dynamic programming over those alone finds it; δ grows until it does.
 *
 * @returns `infeasible` when it is proved that no choice keeps the budgets; `spent` when none was
 * found within the limits
 */
export function chooseOptions(
  items: readonly ChoiceItem[],
  budgets: readonly number[],
  limits: MultipleChoiceLimits,
): MultipleChoice | 'infeasible' | 'spent' {
  const { value: bound, prices } = maximisePrices(items, budgets);
  const reduced = items.map((item) => reducedCosts(item, prices));
  const largest = reduced.reduce((sum, costs) => sum + maximum(costs), 0);
  const slack = budgets.reduce((sum, budget, i) => sum + budget * (prices[i] as number), 0);
  const everything = (largest + slack) * (1 + 1e-9) + Number.MIN_VALUE;

  const effort = { ...limits, left: limits.maxWork };
  let window = Math.max(Math.abs(bound) * FIRST_WINDOW, Number.MIN_VALUE);
  let best: MultipleChoice | null = null;
  for (;;) {
    const { answer, complete } = searchWindow(items, budgets, reduced, prices, window, effort);
    if (answer !== null && (best === null || answer.cost < best.cost)) best = answer;
    const distance = best === null ? everything : best.cost - bound;
    if (complete && (window >= distance || window >= everything))
      return best === null ? 'infeasible' : { ...best, exact: true };
    const spent = effort.left <= 0 || performance.now() > limits.deadline;
    if (spent || (!complete && (best !== null || window >= everything))) return best ?? 'spent';
    const rounding = Math.abs(bound) * 1e-13;
    window = Math.min(window * WINDOW_GROWTH, distance * (1 + 1e-9) + rounding, everything);
  }
}

/** Dynamic programming over the options within `window` of their item's cheapest. */
function searchWindow(
  items: readonly ChoiceItem[],
  budgets: readonly number[],
  reduced: readonly Float64Array[],
  prices: readonly number[],
  window: number,
  effort: Effort,
): { answer: MultipleChoice | null; complete: boolean } {
  const { maxStates, deadline } = effort;
  const cores = reduced.map((costs) => optionsWithin(costs, window));
  const rest = remainingBytes(items, cores, budgets.length);
  let complete = true;
  let states: States = {
    cost: [0],
    excess: [0],
    used: budgets.map(() => [0]),
    parent: [-1],
    option: [-1],
  };
  const history: States[] = [];
  for (const [index, item] of items.entries()) {
    const next: States = {
      cost: [],
      excess: [],
      used: budgets.map(() => []),
      parent: [],
      option: [],
    };
    const costs = reduced[index] as Float64Array;
    for (let state = 0; state < states.cost.length; state++) {
      const before = states.excess[state] as number;
      for (const option of cores[index] as Int32Array) {
        const excess = before + (costs[option] as number);
        if (excess > window) break;
        effort.left--;
        let idle = 0;
        let fits = true;
        for (let r = 0; r < budgets.length; r++) {
          const taken = (states.used[r]?.[state] as number) + (item.bytes[r]?.[option] as number);
          const left = (budgets[r] as number) - taken;
          if (left < (rest.least[r]?.[index] as number)) fits = false;
          const unused = left - (rest.most[r]?.[index] as number);
          if (unused > 0) idle += unused * (prices[r] as number);
        }
        if (!fits || excess + idle > window) continue;
        next.cost.push((states.cost[state] as number) + (item.costs[option] as number));
        next.excess.push(excess);
        for (let r = 0; r < budgets.length; r++)
          next.used[r]?.push(
            (states.used[r]?.[state] as number) + (item.bytes[r]?.[option] as number),
          );
        next.parent.push(state);
        next.option.push(option);
      }
      if (effort.left <= 0 || performance.now() > deadline)
        return { answer: null, complete: false };
      if (next.cost.length > 8 * maxStates) {
        complete = false;
        trim(next, maxStates);
      }
    }
    keepUndominated(next);
    if (next.cost.length > maxStates) {
      complete = false;
      trim(next, maxStates);
    }
    if (next.cost.length === 0) return { answer: null, complete };
    history.push(next);
    states = next;
  }
  return { answer: traceBack(history), complete };
}

function traceBack(history: readonly States[]): MultipleChoice {
  const last = history.at(-1) as States;
  let state = 0;
  for (let i = 1; i < last.cost.length; i++)
    if ((last.cost[i] as number) < (last.cost[state] as number)) state = i;
  const cost = last.cost[state] as number;
  const picks: number[] = [];
  for (const states of history.toReversed()) {
    picks.push(states.option[state] as number);
    state = states.parent[state] as number;
  }
  return { picks: picks.reverse(), cost, exact: false };
}

/** Drops states that another one beats in cost and in every resource. */
function keepUndominated(states: States): void {
  const [first = [], second, third] = states.used;
  const order = states.cost.map((_, i) => i);
  const compare = (a: number, b: number) =>
    (first[a] ?? 0) - (first[b] ?? 0) ||
    (second ? (second[a] as number) - (second[b] as number) : 0) ||
    (third ? (third[a] as number) - (third[b] as number) : 0) ||
    (states.cost[a] as number) - (states.cost[b] as number);
  order.sort(compare);
  const dominated = second === undefined ? cheaperBefore(states.cost) : dominance(states);
  keep(
    states,
    order.filter((state) => !dominated(state)),
  );
}

/** Whether an earlier state, which takes no more of the one resource, is as cheap. */
function cheaperBefore(cost: readonly number[]): (state: number) => boolean {
  let least = Number.POSITIVE_INFINITY;
  return (state) => {
    if ((cost[state] as number) >= least) return true;
    least = cost[state] as number;
    return false;
  };
}

/** The same for two resources or three; with three, only states that take the same are compared. */
function dominance({ cost, used }: States): (state: number) => boolean {
  const [, second, third] = used as [number[], number[], number[]?];
  if (third !== undefined) {
    let last = -1;
    return (state) => {
      const same = last >= 0 && used.every((bytes) => bytes[last] === bytes[state]);
      if (!same) last = state;
      return same;
    };
  }
  // Least cost of the states so far that take at most this rank of the second resource.
  const ranks = [...new Set(second)].sort((a, b) => a - b);
  const rankOf = new Map(ranks.map((bytes, rank) => [bytes, rank + 1]));
  const tree = new Float64Array(ranks.length + 1).fill(Number.POSITIVE_INFINITY);
  return (state) => {
    const rank = rankOf.get(second[state] as number) as number;
    const own = cost[state] as number;
    for (let i = rank; i > 0; i -= i & -i) if ((tree[i] as number) <= own) return true;
    for (let i = rank; i <= ranks.length; i += i & -i) tree[i] = Math.min(tree[i] as number, own);
    return false;
  };
}

/** Keeps the `count` states nearest to the bound. */
function trim(states: States, count: number): void {
  if (states.cost.length <= count) return;
  const order = states.cost.map((_, i) => i);
  order.sort((a, b) => (states.excess[a] as number) - (states.excess[b] as number));
  keep(states, order.slice(0, count));
}

function keep(states: States, order: readonly number[]): void {
  const pick = (values: readonly number[]) => order.map((i) => values[i] as number);
  states.cost = pick(states.cost);
  states.excess = pick(states.excess);
  states.used = states.used.map(pick);
  states.parent = pick(states.parent);
  states.option = pick(states.option);
}

function optionsWithin(costs: Float64Array, window: number): Int32Array {
  const options: number[] = [];
  for (let i = 0; i < costs.length; i++) if ((costs[i] as number) <= window) options.push(i);
  return Int32Array.from(options.sort((a, b) => (costs[a] as number) - (costs[b] as number)));
}

/** Least and most bytes that the items after each one take. [resources][items] */
function remainingBytes(
  items: readonly ChoiceItem[],
  cores: readonly Int32Array[],
  resources: number,
): { least: Float64Array[]; most: Float64Array[] } {
  const make = () => Array.from({ length: resources }, () => new Float64Array(items.length));
  const [least, most] = [make(), make()];
  for (let r = 0; r < resources; r++)
    for (let index = items.length - 1; index > 0; index--) {
      let [low, high] = [Number.POSITIVE_INFINITY, 0];
      for (const option of cores[index] as Int32Array) {
        const bytes = items[index]?.bytes[r]?.[option] as number;
        low = Math.min(low, bytes);
        high = Math.max(high, bytes);
      }
      const [from, to] = [least[r] as Float64Array, most[r] as Float64Array];
      from[index - 1] = (from[index] as number) + low;
      to[index - 1] = (to[index] as number) + high;
    }
  return { least, most };
}

function reducedCosts({ costs, bytes }: ChoiceItem, prices: readonly number[]): Float64Array {
  const reduced = costs.map((cost, option) =>
    prices.reduce((sum, price, r) => sum + price * (bytes[r]?.[option] as number), cost),
  );
  let least = Number.POSITIVE_INFINITY;
  for (const cost of reduced) least = Math.min(least, cost);
  return reduced.map((cost) => cost - least);
}

/** The prices that make the Lagrange bound highest. */
function maximisePrices(items: readonly ChoiceItem[], budgets: readonly number[]): Prices {
  const prices = budgets.map(() => 0);
  const spread = items.reduce((sum, { costs }) => sum + maximum(costs) - minimum(costs), 0);
  const level = (depth: number): Prices => {
    if (depth === budgets.length) return lagrange(items, budgets, prices);
    const evaluate = (price: number) => {
      prices[depth] = price;
      const point = level(depth + 1);
      return { ...point, slope: point.slopes[depth] as number };
    };
    const step = (spread || 1) / Math.max(1, budgets[depth] as number);
    const start = { guess: 0, step, limit: step * 1e9 };
    return mix(maximiseOnHalfLine(evaluate, start, { tolerance: 1e-9, scale: spread }));
  };
  return level(0);
}

function lagrange(
  items: readonly ChoiceItem[],
  budgets: readonly number[],
  prices: readonly number[],
): Prices {
  let value = 0;
  const slopes = budgets.map((budget) => -budget);
  for (const { costs, bytes } of items) {
    let best = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let option = 0; option < costs.length; option++) {
      let cost = costs[option] as number;
      for (let r = 0; r < prices.length; r++)
        cost += (prices[r] as number) * (bytes[r]?.[option] as number);
      if (cost < least) [least, best] = [cost, option];
    }
    value += least;
    for (let r = 0; r < slopes.length; r++)
      slopes[r] = (slopes[r] as number) + (bytes[r]?.[best] as number);
  }
  for (const [r, budget] of budgets.entries()) value -= budget * (prices[r] as number);
  return { value, slope: 0, prices: [...prices], slopes };
}

function mix({ left, right, share }: ConcaveMaximum<Prices>): Prices {
  const better = left.value >= right.value ? left : right;
  const slopes = left.slopes.map((slope, r) =>
    slope === right.slopes[r] ? slope : share * slope + (1 - share) * (right.slopes[r] as number),
  );
  return { value: better.value, slope: 0, prices: better.prices, slopes };
}

function maximum(values: Float64Array): number {
  return values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
}

function minimum(values: Float64Array): number {
  return values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
}
