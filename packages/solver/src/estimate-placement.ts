import {
  type HardwareInfo,
  hasExactZeros,
  isPipelineError,
  type Mode,
  type ModelInfo,
  type Tier,
} from '@thermocline/contracts';
import { explainPlacement, type PlanExplanation } from './explain-plan.js';
import { modelMemory } from './memory-model.js';
import type { SolveOptions } from './options.js';
import { type Placed, placedByChoice } from './placement-figures.js';
import { resolveSettings } from './settings.js';
import { solveProblem } from './solve-problem.js';
import { typicalActiveExperts, typicalFamily } from './typical-families.js';
import { typicalFiring } from './typical-profile.js';

/** Of the model's weights, what predictors take when nothing is known of them. */
const PREDICTOR_SHARE = 0.06;

/**
 * Where a model runs: all of it on the `gpu`, with the help of `memory`, of `flash`, or `nowhere`.
 */
export type Verdict = 'gpu' | 'memory' | 'flash' | 'nowhere';

/** What to expect of one way to compute the FFN. */
export interface ModeEstimate {
  mode: Mode;
  verdict: Verdict;
  /** What it rests on, for people. */
  assumptions: string[];
  /** Absent where the model runs nowhere. */
  explanation?: PlanExplanation;
  /** What is missing where it runs nowhere. */
  missing?: { tier: Tier; requiredBytes: number; availableBytes: number; reason: string };
}

/** Whether and how fast a model would run on a machine, before anything is loaded or profiled. */
export interface PlacementEstimate {
  /** Always: nothing of it was measured on this model. */
  isEstimate: true;
  hardware: string;
  /** The kind of model whose firing rates were taken, and where they are from. */
  family: { name: string; source: string; firing: number };
  contextTokens: number;
  /** Bytes of the model, and of what it works with. */
  bytes: { weights: number; kv: number; scratch: number };
  /** The lossless way first. */
  modes: ModeEstimate[];
}

/**
 * Answers "will this model run here, and how fast?" from a description of the model and one of the
 * machine alone, with firing rates typical of models of its kind.
 *
 * @param options - as for `solvePlacement`; a mode asks for that one only
 * @throws PipelineError `INVALID_ARGUMENT`, `MODE_UNSUPPORTED`, `OUT_OF_MEMORY` for a budget above
 * what the machine has; a model that fits nowhere is a result
 *
 * @example
 * const { modes } = await estimatePlacement(model, await findHardware('rtx-4090-pc'));
 * for (const { mode, verdict, explanation } of modes) {
 *   console.log(mode, verdict, explanation?.tokensPerSecond);
 * }
 */
export async function estimatePlacement(
  model: ModelInfo,
  hardware: HardwareInfo,
  options: SolveOptions = {},
): Promise<PlacementEstimate> {
  const { contextTokens, kvType } = resolveSettings(model, hardware, options);
  const memory = modelMemory(model, { contextTokens, kvType, threads: hardware.cpu.threads });
  const neurons = model.n_ff.reduce((sum, count) => sum + count, 0);
  const perLayer = memory.attention + memory.vectors;
  const weights =
    memory.embeddings + memory.head + model.layers * perLayer + neurons * memory.neuron.bundle;
  const firing = typicalFiring(model);
  const modes: ModeEstimate[] = [];
  for (const mode of options.mode ? [options.mode] : usualModes(model)) {
    modes.push(await estimateMode(model, hardware, firing, weights, { ...options, mode }));
  }
  const { name, source, firing: share } = typicalFamily(model);
  return {
    isEstimate: true,
    hardware: hardware.name,
    family: { name, source, firing: share },
    contextTokens,
    bytes: { weights, kv: model.layers * memory.kv, scratch: memory.scratch },
    modes,
  };
}

function usualModes(model: ModelInfo): Mode[] {
  return hasExactZeros(model) ? ['exact', 'predicted'] : ['dense', 'threshold'];
}

async function estimateMode(
  model: ModelInfo,
  hardware: HardwareInfo,
  firing: readonly Float64Array[],
  weights: number,
  options: SolveOptions & { mode: Mode },
): Promise<ModeEstimate> {
  const guess = Math.ceil((PREDICTOR_SHARE * weights) / model.layers);
  const predictorBytes = options.predictorBytes ?? new Array<number>(model.layers).fill(guess);
  const settings = resolveSettings(model, hardware, { ...options, predictorBytes });
  const { mode } = settings;
  const assumptions = describeAssumptions(model, mode, settings.overPrediction, options);
  try {
    const { setup, solution } = await solveProblem({ model, hardware, settings, firing });
    const placed = placedByChoice(setup, solution.choice);
    const explanation = {
      ...(await explainPlacement(setup, placed)),
      objective: settings.objective,
      gap: solution.gap,
    };
    return { mode, verdict: verdictOn(placed), assumptions, explanation };
  } catch (error) {
    if (!isPipelineError(error, 'PLACEMENT_INFEASIBLE')) throw error;
    return { mode, verdict: 'nowhere', assumptions, missing: error.details };
  }
}

function verdictOn({ shares, dense, head }: Placed): Verdict {
  if (shares.some(({ flash }) => flash.neurons > 0)) return 'flash';
  const allOnGpu =
    shares.every(({ cpu }) => cpu.neurons === 0) && ![...dense, head].includes('cpu');
  return allOnGpu ? 'gpu' : 'memory';
}

function describeAssumptions(
  model: ModelInfo,
  mode: Mode,
  overPrediction: number,
  { predictorBytes }: SolveOptions,
): string[] {
  const family = typicalFamily(model);
  const assumptions =
    mode === 'dense'
      ? ['Every neuron is computed for every token']
      : [`${percent(family.firing)} of the neurons fire, as is typical of ${family.name}`];
  if (mode === 'threshold') {
    assumptions.push('Neurons below a threshold are left out, which changes the output a little');
  }
  if (mode === 'predicted') {
    const size = predictorBytes
      ? 'of the given sizes'
      : `of ${percent(PREDICTOR_SHARE)} of the weights`;
    assumptions.push(`Predictors ${size} take ${overPrediction} × as many neurons as fire`);
  }
  if (model.experts > 1) {
    const active = typicalActiveExperts(model.experts);
    assumptions.push(`A token goes to ${active} of ${model.experts} experts`);
  }
  return assumptions;
}

function percent(share: number): string {
  return `${Math.round(1000 * share) / 10} %`;
}
