import { PipelineError } from '@thermocline/contracts';
import type { DensePart, DenseTier, PlacementProblem } from './problem.js';

/** Dense parts, and what they leave for neurons. */
export interface PlacedDense {
  /** [layers] */
  dense: DenseTier[];
  head: DenseTier;
  left: { gpu: number; cpu: number };
}

/**
 * Places dense parts before any neuron, as PowerInfer does: layer by layer, then the head, on the GPU
 * as long as they fit; or all in memory.
 *
 * @throws PipelineError `PLACEMENT_INFEASIBLE` when memory does not hold the others
 */
export function placeDense(
  { layers, head, budgetBytes }: PlacementProblem,
  where: 'gpu-first' | 'cpu',
): PlacedDense {
  const left = { gpu: budgetBytes.gpu, cpu: budgetBytes.cpu };
  const place = ({ bytes, seconds }: DensePart): DenseTier => {
    const onGpu = where === 'gpu-first' && seconds.gpu !== null && bytes <= left.gpu;
    const tier = onGpu ? 'gpu' : 'cpu';
    left[tier] -= bytes;
    return tier;
  };
  const placed = { dense: layers.map((layer) => place(layer.dense)), head: place(head), left };
  if (left.cpu >= 0) return placed;
  const requiredBytes = budgetBytes.cpu - left.cpu;
  const reason = `attention and head beside the GPU take ${requiredBytes} bytes of memory, of ${budgetBytes.cpu}`;
  const details = { tier: 'cpu', requiredBytes, availableBytes: budgetBytes.cpu, reason } as const;
  throw new PipelineError('PLACEMENT_INFEASIBLE', `The model does not fit: ${reason}.`, details);
}
