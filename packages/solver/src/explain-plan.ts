import {
  type ActivationProfile,
  type HardwareInfo,
  isPipelineError,
  type LayerActivations,
  type LayerPlacement,
  PipelineError,
  type PlacementPlan,
  TIERS,
  type Tier,
} from '@thermocline/contracts';
import { buildProblem, type ProblemInput, type ProblemSetup } from './build-problem.js';
import { alignmentSlack } from './memory-model.js';
import type { SolveOptions } from './options.js';
import {
  byTier,
  type LayerTime,
  type Placed,
  type PlacementFigures,
  placedByChoice,
  placementFigures,
  type TierShare,
  type TierUse,
} from './placement-figures.js';
import type { DenseTier } from './problem.js';
import { resolveSettings } from './settings.js';
import { checkProfile } from './solve-placement.js';
import { solveProblem } from './solve-problem.js';
import { sortNeurons } from './sort-neurons.js';

const GIB = 2 ** 30;

/** What lives on a tier and what it does. */
export interface TierExplanation {
  tier: Tier;
  device: string;
  budgetBytes: number;
  usedBytes: number;
  /** Bytes by use; they add up to `usedBytes`. */
  uses: Partial<Record<TierUse, number>>;
  neurons: number;
  /** Its part of all neurons, and of all firings; fractions. */
  neuronShare: number;
  firingShare: number;
  /** Seconds per token that it computes; the tiers work at the same time. */
  busySeconds: number;
  /** No room is left, and something has gone to a slower tier for it. */
  full: boolean;
}

/** What bounds one layer's time. */
export interface LayerExplanation {
  layer: number;
  /** The tier that the others wait for; `null` where there is nothing to wait for. */
  slowest: Tier | null;
  neurons: Record<Tier, number>;
  seconds: LayerTime;
}

/** The best that is possible when a tier had one GiB more. */
export interface OneMoreGiB {
  tier: 'gpu' | 'cpu';
  secondsPerToken: number;
  tokensPerSecond: number;
  /** Seconds per token that it saves; 0: nothing. */
  savedSeconds: number;
}

/** A plan in the numbers that explain it. */
export interface PlanExplanation {
  hardware: string;
  mode: string;
  contextTokens: number;
  kvType: string;
  objective?: 'latency' | 'impact';
  /** How far from the best plan it may be at most; a fraction. */
  gap?: number;
  secondsPerToken: number;
  tokensPerSecond: number;
  /** They add up to `secondsPerToken`. */
  parts: { name: string; seconds: number }[];
  /** Those the machine has, fastest first. */
  tiers: TierExplanation[];
  layers: LayerExplanation[];
  oneMoreGiB: OneMoreGiB[];
  /** Seconds per token that one more byte of a tier would save. */
  shadowPrices?: Record<Tier, number>;
}

/**
 * Explains a plan, also one made elsewhere: what lives where, what a token takes and why, what
 * binds, and what one more GiB would buy.
 *
 * @param options - as for `solvePlacement`; what the plan itself says comes first
 * @throws PipelineError `INVALID_ARGUMENT` when plan, profile and machine do not belong together
 *
 * @example
 * const { tiers, oneMoreGiB } = await explainPlan(plan, profile, hardware);
 */
export async function explainPlan(
  plan: PlacementPlan,
  profile: ActivationProfile,
  hardware: HardwareInfo,
  options: SolveOptions = {},
): Promise<PlanExplanation> {
  checkProfile(profile);
  checkTogether(plan, profile, hardware);
  const { vramBudgetBytes: _vram, ramBudgetBytes: _ram, ...others } = options;
  const settings = {
    ...resolveSettings(plan.model, hardware, { ...others, ...plan.workload }),
    ...(plan.solution && { objective: plan.solution.objective }),
    budgetBytes: plan.budgetBytes,
  };
  const firing = profile.layers.map((layer, index) => sortNeurons(layer, index).firing);
  const input = { model: plan.model, hardware, settings, firing };
  const placed = placedByPlan(plan, profile.layers);
  const setup = buildProblem(input, hasFlash(placed));
  return {
    ...(await explainPlacement(setup, placed)),
    ...(plan.solution && { objective: plan.solution.objective, gap: plan.solution.gap }),
    ...(plan.shadowPrices && { shadowPrices: plan.shadowPrices }),
  };
}

/** Explains sums of neurons per tier, wherever they come from. */
export async function explainPlacement(
  setup: ProblemSetup,
  placed: Placed,
): Promise<PlanExplanation> {
  const { hardware, settings } = setup;
  const figures = placementFigures(setup, placed);
  const { secondsPerToken } = figures;
  return {
    hardware: hardware.name,
    mode: settings.mode,
    contextTokens: settings.contextTokens,
    kvType: settings.kvType,
    secondsPerToken,
    tokensPerSecond: 1 / secondsPerToken,
    parts: figures.parts,
    tiers: explainTiers(setup, placed, figures),
    layers: figures.layers.map((seconds, layer) => ({
      layer,
      slowest: slowestTier(seconds),
      neurons: byTier((tier) => (placed.shares[layer] as Record<Tier, TierShare>)[tier].neurons),
      seconds,
    })),
    oneMoreGiB: await oneMoreGiB(setup, secondsPerToken),
  };
}

function explainTiers(
  setup: ProblemSetup,
  placed: Placed,
  figures: PlacementFigures,
): TierExplanation[] {
  const { hardware, settings } = setup;
  const total = { neurons: 0, firing: 0 };
  const shares = byTier(() => ({ neurons: 0, firing: 0 }));
  for (const layer of placed.shares) {
    for (const tier of TIERS) {
      for (const sums of [total, shares[tier]]) {
        sums.neurons += layer[tier].neurons;
        sums.firing += layer[tier].firing;
      }
    }
  }
  return TIERS.filter((tier) => hardware.tiers[tier] !== undefined).map((tier) => ({
    tier,
    device: hardware.tiers[tier]?.device ?? '',
    budgetBytes: settings.budgetBytes[tier],
    usedBytes: figures.usedBytes[tier],
    uses: figures.uses[tier],
    neurons: shares[tier].neurons,
    neuronShare: shares[tier].neurons / total.neurons,
    firingShare: total.firing === 0 ? 0 : shares[tier].firing / total.firing,
    busySeconds: busySeconds(tier, placed, figures),
    full: isFull(tier, setup, placed, figures),
  }));
}

function busySeconds(tier: Tier, placed: Placed, { layers, head }: PlacementFigures): number {
  let seconds = placed.head === tier ? head : 0;
  for (const [layer, { dense, ffn }] of layers.entries()) {
    seconds += ffn[tier] + (placed.dense[layer] === tier ? dense : 0);
  }
  return seconds;
}

/** Whether less than a neuron of every layer's alignment fits, and slower tiers hold something. */
function isFull(
  tier: Tier,
  { memory, model, settings }: ProblemSetup,
  placed: Placed,
  { usedBytes }: PlacementFigures,
): boolean {
  const slower = placed.shares.some(
    ({ cpu, flash }) => flash.neurons > 0 || (tier === 'gpu' && cpu.neurons > 0),
  );
  const unused = settings.budgetBytes[tier] - usedBytes[tier];
  const { neuron } = memory;
  return (
    tier !== 'flash' &&
    slower &&
    unused < neuron.bundle + model.layers * alignmentSlack(neuron, model.experts)
  );
}

function slowestTier({ ffn }: LayerTime): Tier | null {
  const seconds = Math.max(ffn.gpu, ffn.cpu, ffn.flash);
  return seconds === 0 ? null : (TIERS.find((tier) => ffn[tier] === seconds) ?? null);
}

/** Solves again with bigger budgets, be they more than the machine has. */
async function oneMoreGiB(setup: ProblemInput, before: number): Promise<OneMoreGiB[]> {
  const more: OneMoreGiB[] = [];
  for (const tier of ['gpu', 'cpu'] as const) {
    if (setup.hardware.tiers[tier] === undefined) continue;
    const after = await secondsWithMore(setup, tier);
    if (after === null) continue;
    const savedSeconds = Math.max(0, before - after);
    more.push({ tier, secondsPerToken: after, tokensPerSecond: 1 / after, savedSeconds });
  }
  return more;
}

/** `null` where even that is too little: a plan of others may leave out what has to be there. */
async function secondsWithMore(
  { model, hardware, settings, firing }: ProblemInput,
  tier: 'gpu' | 'cpu',
): Promise<number | null> {
  const budgetBytes = { ...settings.budgetBytes, [tier]: settings.budgetBytes[tier] + GIB };
  const input = { model, hardware, settings: { ...settings, budgetBytes }, firing };
  try {
    const { setup, solution } = await solveProblem(input);
    return placementFigures(setup, placedByChoice(setup, solution.choice)).secondsPerToken;
  } catch (error) {
    if (isPipelineError(error, 'PLACEMENT_INFEASIBLE')) return null;
    throw error;
  }
}

/** A plan's sums from its own order, which need not be by firing rate. */
function placedByPlan(plan: PlacementPlan, activations: readonly LayerActivations[]): Placed {
  const { dense } = plan;
  const denseTier = (tier: Tier | undefined): DenseTier => (tier === 'gpu' ? 'gpu' : 'cpu');
  return {
    dense: plan.layers.map((_, layer) => denseTier(dense?.attention[layer])),
    head: denseTier(dense?.head),
    shares: plan.layers.map((layer, index) =>
      sharesOf(layer, activations[index] as LayerActivations),
    ),
  };
}

function sharesOf(
  { order, tierEnd }: LayerPlacement,
  { fires, tokens }: LayerActivations,
): Record<Tier, TierShare> {
  const share = (begin: number, end: number): TierShare => {
    let firings = 0;
    for (let at = begin; at < end; at++) firings += Number(fires[order[at] as number]);
    return { neurons: end - begin, firing: firings / tokens };
  };
  const [gpuEnd, cpuEnd] = tierEnd;
  const flash = share(cpuEnd, order.length);
  return { gpu: share(0, gpuEnd), cpu: share(gpuEnd, cpuEnd), flash };
}

function hasFlash(placed: Placed): boolean {
  return placed.shares.some(({ flash }) => flash.neurons > 0);
}

function checkTogether(
  plan: PlacementPlan,
  profile: ActivationProfile,
  { name, tiers }: HardwareInfo,
): void {
  const refuse = (argument: string, reason: string): never => {
    throw new PipelineError('INVALID_ARGUMENT', `Cannot explain the plan: ${reason}.`, {
      argument,
      reason,
    });
  };
  if (plan.fingerprint !== profile.fingerprint) {
    refuse('profile', `it is for ${plan.fingerprint}, the profile of ${profile.fingerprint}`);
  }
  const gpu = plan.layers.some(({ tierEnd }) => tierEnd[0] > 0);
  const flash = plan.layers.some(({ order, tierEnd }) => tierEnd[1] < order.length);
  const dense = [...(plan.dense?.attention ?? []), plan.dense?.head];
  if ((gpu || dense.includes('gpu')) && !tiers.gpu) refuse('hardware', `${name} has no gpu`);
  if (flash && !tiers.flash) refuse('hardware', `${name} has no flash`);
}
