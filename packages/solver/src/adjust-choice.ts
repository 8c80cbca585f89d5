import { TIERS, type Tier } from '@thermocline/contracts';
import { layerSeconds, usedBytes } from './evaluate-choice.js';
import type { DenseTier, LayerProblem, PlacementChoice, PlacementProblem } from './problem.js';
import type { ByTier } from './relax-neurons.js';

/** Neurons of a layer that change tiers: how many more the GPU and memory have then. */
interface Move {
  layer: number;
  gpu: number;
  cpu: number;
  /** Change of the layer's seconds. */
  seconds: number;
}

// Across one border, or across both with memory keeping its number.
const DIRECTIONS = [
  [1, -1],
  [1, 0],
  [0, 1],
  [-1, 1],
  [-1, 0],
  [0, -1],
] as const;

const MAX_ROUNDS = 400;

/** Moves each layer's two borders to where time + price of the bytes is least nearby. */
export function settleBorders(
  problem: PlacementProblem,
  choice: PlacementChoice,
  prices: ByTier,
): void {
  for (const [index, layer] of problem.layers.entries()) {
    const { neuronBytes } = layer;
    for (let step = Math.ceil((layer.firing.length - 1) / 64); step >= 1; step = step >> 1) {
      for (let tries = 0; tries < 64; tries++) {
        const cost = ({ gpu, cpu, seconds }: Move) =>
          seconds + neuronBytes * (gpu * prices[0] + cpu * prices[1] - (gpu + cpu) * prices[2]);
        const moves = movesOf(layer, choice, index, step);
        const best = leastBy(moves, cost);
        if (best === undefined || !(cost(best) < 0)) break;
        apply(choice, best);
      }
    }
  }
}

/**
 * Moves neurons off the tiers that hold more than their budget, at least loss of time per byte.
 *
 * @returns whether every budget holds now
 */
export function keepBudgets(problem: PlacementProblem, choice: PlacementChoice): boolean {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const left = leftBytes(problem, choice);
    const full = TIERS.find((tier) => left[tier] < 0);
    if (full === undefined) return true;
    const moves: Move[] = [];
    for (const [index, layer] of problem.layers.entries()) {
      const share = -left[full] / layer.neuronBytes / problem.layers.length;
      for (const move of movesOf(layer, choice, index, Math.max(1, Math.floor(share)))) {
        const freed = -byTier(move, full) * layer.neuronBytes;
        if (freed > 0 && fits(move, layer, left, full)) moves.push(move);
      }
    }
    if (moves.length === 0) return false;
    moves.sort((a, b) => perByte(problem, a, full) - perByte(problem, b, full));
    applyWhile(problem, choice, moves, left, () => left[full] < 0, full);
  }
  return false;
}

/** Uses what is left of the budgets: single neurons move for as long as that saves time. */
export function fillBudgets(
  problem: PlacementProblem,
  choice: PlacementChoice,
  deadline: number,
): void {
  const left = leftBytes(problem, choice);
  for (let round = 0; round < MAX_ROUNDS && performance.now() < deadline; round++) {
    const moves: Move[] = [];
    for (const [index, layer] of problem.layers.entries()) {
      const possible = movesOf(layer, choice, index, 1).filter((move) => fits(move, layer, left));
      const best = leastBy(possible, ({ seconds }) => seconds);
      if (best && best.seconds < 0) moves.push(best);
    }
    if (moves.length === 0) return;
    moves.sort((a, b) => a.seconds - b.seconds);
    applyWhile(problem, choice, moves, left, () => true);
  }
}

/** Carries out one move per layer, in order, as long as it is wanted and fits. */
function applyWhile(
  problem: PlacementProblem,
  choice: PlacementChoice,
  moves: readonly Move[],
  left: Record<Tier, number>,
  wanted: () => boolean,
  full?: Tier,
): void {
  const done = new Set<number>();
  for (const move of moves) {
    const layer = problem.layers[move.layer] as LayerProblem;
    if (!wanted()) return;
    if (done.has(move.layer) || !fits(move, layer, left, full)) continue;
    apply(choice, move);
    done.add(move.layer);
    for (const tier of TIERS) left[tier] -= byTier(move, tier) * layer.neuronBytes;
  }
}

function movesOf(
  layer: LayerProblem,
  choice: PlacementChoice,
  index: number,
  step: number,
): Move[] {
  const { rates } = layer;
  const neurons = layer.firing.length - 1;
  const dense = choice.dense[index] as DenseTier;
  const [gpu, cpu] = [choice.gpu[index] as number, choice.cpu[index] as number];
  const now = layerSeconds(layer, dense, gpu, cpu).total;
  const moves: Move[] = [];
  for (const [moreGpu, moreCpu] of DIRECTIONS) {
    const [g, c] = [gpu + moreGpu * step, cpu + moreCpu * step];
    if (g < 0 || c < 0 || g + c > neurons) continue;
    if ((g > 0 && !rates.gpu) || (c > 0 && !rates.cpu) || (g + c < neurons && !rates.flash))
      continue;
    const seconds = layerSeconds(layer, dense, g, c).total - now;
    moves.push({ layer: index, gpu: moreGpu * step, cpu: moreCpu * step, seconds });
  }
  return moves;
}

function byTier({ gpu, cpu }: Move, tier: Tier): number {
  return tier === 'gpu' ? gpu : tier === 'cpu' ? cpu : -gpu - cpu;
}

/** Whether no budget, other than that of a tier being emptied, is broken by a move. */
function fits(move: Move, layer: LayerProblem, left: Record<Tier, number>, full?: Tier): boolean {
  return TIERS.every((tier) => {
    const bytes = byTier(move, tier) * layer.neuronBytes;
    return bytes <= 0 || (tier !== full && bytes <= left[tier]);
  });
}

function perByte({ layers }: PlacementProblem, move: Move, tier: Tier): number {
  return move.seconds / (-byTier(move, tier) * (layers[move.layer]?.neuronBytes as number));
}

function apply(choice: PlacementChoice, move: Move): void {
  choice.gpu[move.layer] = (choice.gpu[move.layer] as number) + move.gpu;
  choice.cpu[move.layer] = (choice.cpu[move.layer] as number) + move.cpu;
}

function leftBytes(problem: PlacementProblem, choice: PlacementChoice): Record<Tier, number> {
  const used = usedBytes(problem, choice);
  const { gpu, cpu, flash } = problem.budgetBytes;
  return { gpu: gpu - used.gpu, cpu: cpu - used.cpu, flash: flash - used.flash };
}

function leastBy<T>(values: readonly T[], key: (value: T) => number): T | undefined {
  let best: T | undefined;
  for (const value of values) if (best === undefined || key(value) < key(best)) best = value;
  return best;
}
