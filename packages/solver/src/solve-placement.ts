import {
  type ActivationProfile,
  type HardwareInfo,
  PipelineError,
  type PlacementPlan,
} from '@thermocline/contracts';
import { modelMemory } from './memory-model.js';
import type { SolveOptions } from './options.js';
import { resolveSettings, type Settings } from './settings.js';
import { solveProblem } from './solve-problem.js';
import { sortNeurons } from './sort-neurons.js';
import { toPlan } from './to-plan.js';
import { typicalActiveExperts } from './typical-families.js';

/**
 * Chooses a tier for every neuron, and for attention, KV cache, predictors and the head, so that
 * the expected time per token is lowest within the memory of a machine.
 *
 * @param profile - how often each neuron fires, from `profileModel` or another tool
 * @param hardware - capacity and bandwidth of each tier, from `probeHardware` or `findHardware`
 * @throws PipelineError `PLACEMENT_INFEASIBLE` when what must be there does not fit,
 * `OUT_OF_MEMORY` for a budget above what the machine has, `MODE_UNSUPPORTED`, `INVALID_ARGUMENT`
 *
 * @example
 * const hardware = await findHardware('rtx-4090-pc');
 * const plan = await solvePlacement(profile, hardware, { vramBudgetBytes: 8 * 2 ** 30 });
 * console.log(1 / plan.predicted.secondsPerToken, 'tokens/s');
 */
export async function solvePlacement(
  profile: ActivationProfile,
  hardware: HardwareInfo,
  options: SolveOptions = {},
): Promise<PlacementPlan> {
  checkProfile(profile);
  const settings = resolveSettings(profile.model, hardware, options);
  tellAssumptions(profile, hardware, settings);
  const neurons = profile.layers.map(sortNeurons);
  const firing = neurons.map((layer) => layer.firing);
  const orders = neurons.map((layer) => layer.order);
  const solved = await solveProblem({ model: profile.model, hardware, settings, firing });
  return toPlan(profile, solved.setup, solved.solution, orders);
}

/** Whether the arrays of a profile have the shapes its model says. */
export function checkProfile({ model, layers }: ActivationProfile): void {
  const refuse = (reason: string): never => {
    const message = `The profile contradicts itself: ${reason}.`;
    throw new PipelineError('INVALID_ARGUMENT', message, { argument: 'profile', reason });
  };
  if (layers.length !== model.layers) refuse(`${layers.length} layers, the model ${model.layers}`);
  for (const [index, { fires }] of layers.entries()) {
    const neurons = model.n_ff[index] as number;
    if (fires.length !== neurons) refuse(`layer ${index} counts ${fires.length} of ${neurons}`);
  }
}

/** Tells what the profile leaves open and the plan therefore rests on. */
function tellAssumptions(
  { model, layers, shards }: ActivationProfile,
  hardware: HardwareInfo,
  settings: Settings,
): void {
  const { mode, onNotice, predictorBytes } = settings;
  const memory = modelMemory(model, { ...settings, threads: hardware.cpu.threads });
  for (const assumption of memory.assumptions) onNotice(assumption);
  if (model.experts > 1) {
    const active = typicalActiveExperts(model.experts);
    onNotice(
      `The profile does not say how many experts a token goes to: ${active} of ${model.experts} are assumed`,
    );
  }
  if (shards !== undefined && shards.length > 0) {
    const count = shards[0]?.count ?? 0;
    onNotice(`The profile holds ${shards.length} of ${count} parts of its run; merge them first`);
  }
  if (mode === 'predicted' && predictorBytes.every((bytes) => bytes === 0)) {
    onNotice('No sizes of predictors were given: the plan has no room for them');
  }
  const uncalibrated = layers.filter(({ threshold }) => threshold === undefined).length;
  if (mode === 'threshold' && uncalibrated > 0) {
    onNotice(
      `${uncalibrated} layers of the profile were counted without a threshold: all that is not zero counts as firing`,
    );
  }
}
