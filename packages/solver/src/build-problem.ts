import type { HardwareInfo, ModelInfo, Tier } from '@thermocline/contracts';
import { alignmentSlack, type MemoryModel, modelMemory } from './memory-model.js';
import type { DensePart, LayerProblem, PlacementProblem } from './problem.js';
import type { Settings } from './settings.js';
import { neuronReads, tierRates } from './tier-rates.js';
import { routedShare } from './typical-families.js';

/** What is placed, where, and for what. */
export interface ProblemInput {
  model: ModelInfo;
  hardware: HardwareInfo;
  settings: Settings;
  /** Sums of the firing rates of the first k neurons, hottest first. [layers][n_ff + 1] */
  firing: readonly Float64Array[];
}

/** A problem with the numbers it was made from. */
export interface ProblemSetup extends ProblemInput {
  problem: PlacementProblem;
  memory: MemoryModel;
  /** Bytes that each tier must give whatever is placed there. */
  fixedBytes: Record<Tier, number>;
  /** Bytes read per token of one layer beside its neurons, by use. [layers] */
  denseReads: DenseReads[];
}

/** Bytes read for every token. */
export interface DenseReads {
  attention: number;
  kv: number;
  predictors: number;
}

/**
 * Turns a model, a machine and what is asked of them into the placement problem. Reading the KV
 * cache is charged at half the asked context: its mean while a timeline fills.
 *
 * @param withFlash - whether neurons may live on flash; then memory gives the slots to read into
 */
export function buildProblem(input: ProblemInput, withFlash: boolean): ProblemSetup {
  const { model, hardware, settings, firing } = input;
  const { cpu, gpu, flash } = hardware.tiers;
  const memory = modelMemory(model, { ...settings, threads: hardware.cpu.threads });
  const { bundle } = memory.neuron;
  const bundleReads = neuronReads(settings.mode, memory.neuron, settings.overPrediction);
  // Of a mixture nothing is read of the experts that a token does not go to.
  const alwaysBytes = bundleReads.alwaysBytes * routedShare(model);
  const reads = { ...bundleReads, alwaysBytes };
  const rates = tierRates(hardware, reads);
  const denseReads = model.n_ff.map((_, layer) => denseReadsOf(settings, memory, layer));

  const seconds = (bytes: number): DensePart['seconds'] => ({
    gpu: gpu === undefined ? null : bytes / gpu.sequentialBytesPerSecond,
    cpu: bytes / cpu.sequentialBytesPerSecond,
  });
  const layers = model.n_ff.map((_, layer): LayerProblem => {
    const { attention, kv, predictors } = denseReads[layer] as DenseReads;
    return {
      firing: firing[layer] as Float64Array,
      neuronBytes: bundle,
      rates: { ...rates, flash: withFlash && flash ? rates.flash : null },
      dense: {
        bytes: memory.attention + memory.vectors + memory.kv + predictors,
        seconds: seconds(attention + kv + predictors),
      },
      syncSeconds: gpu?.syncSeconds ?? 0,
    };
  });
  const headBytes = model.tied ? memory.tokenTable : memory.head;
  const head = { bytes: model.tied ? memory.embeddings : headBytes, seconds: seconds(headBytes) };

  const slack = model.layers * alignmentSlack(memory.neuron, model.experts);
  const fixedBytes = {
    gpu: memory.scratch + slack,
    // A tied table lives where the head does.
    cpu:
      (model.tied ? 0 : memory.embeddings) +
      memory.scratch +
      slack +
      (withFlash ? memory.staging : 0),
    flash: 0,
  };
  const left = (tier: Tier) => Math.max(0, settings.budgetBytes[tier] - fixedBytes[tier]);
  const budgetBytes = {
    gpu: gpu ? left('gpu') : 0,
    cpu: left('cpu'),
    flash: withFlash && flash ? left('flash') : 0,
  };
  const problem = { layers, head, budgetBytes };
  return { ...input, problem, memory, fixedBytes, denseReads };
}

function denseReadsOf(
  { mode, predictorBytes }: Settings,
  memory: MemoryModel,
  layer: number,
): DenseReads {
  return {
    attention: memory.attention + memory.vectors,
    kv: memory.kv / 2,
    predictors: mode === 'predicted' ? (predictorBytes[layer] as number) : 0,
  };
}
