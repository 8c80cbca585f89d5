import { PipelineError, type Tier } from '@thermocline/contracts';
import type { PlacementProblem } from './problem.js';

/**
 * Refuses a problem whose parts do not fit the tiers that can hold them, even if cut at will.
 *
 * @throws PipelineError `PLACEMENT_INFEASIBLE`
 */
export function requireRoom({ layers, head, budgetBytes }: PlacementProblem): void {
  const hasGpu = head.seconds.gpu !== null || layers.some(({ rates }) => rates.gpu !== null);
  const hasFlash = layers.some(({ rates }) => rates.flash !== null);
  const gpu = hasGpu ? budgetBytes.gpu : 0;
  const dense = layers.reduce((sum, layer) => sum + layer.dense.bytes, head.bytes);
  if (dense > gpu + budgetBytes.cpu)
    throw tooSmall('cpu', dense - gpu, budgetBytes.cpu, `attention and head take ${dense} bytes`);

  const neurons = layers.reduce(
    (sum, { firing, neuronBytes }) => sum + (firing.length - 1) * neuronBytes,
    0,
  );
  const flash = hasFlash ? budgetBytes.flash : 0;
  const others = gpu + (hasFlash ? budgetBytes.cpu : 0);
  const last = hasFlash ? 'flash' : 'cpu';
  const all = dense + neurons;
  if (all > gpu + budgetBytes.cpu + flash)
    throw tooSmall(last, all - others, budgetBytes[last], `the model takes ${all} bytes`);
}

function tooSmall(
  tier: Tier,
  requiredBytes: number,
  availableBytes: number,
  what: string,
): PipelineError {
  const reason = `${what}; beside what the other tiers hold, ${tier} would need ${requiredBytes} bytes and may use ${availableBytes}`;
  const details = { tier, requiredBytes, availableBytes, reason };
  return new PipelineError('PLACEMENT_INFEASIBLE', `The model does not fit: ${reason}.`, details);
}
