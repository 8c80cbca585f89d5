import {
  PipelineError,
  type PlacementPlan,
  readPlacementPlan,
  type Tier,
} from '@thermocline/contracts';
import { formatBytes } from './size.js';

/** A plan, and where it came from: a file's path, or words for one that was handed over. */
export interface NamedPlan {
  plan: PlacementPlan;
  path: string;
}

/**
 * The plan that was named or handed over, if it was made for this model.
 *
 * @throws PipelineError those of `readPlacementPlan`, `ARTIFACT_MODEL_MISMATCH` among them
 */
export async function readPlan(
  plan: PlacementPlan | string,
  fingerprint: string,
): Promise<NamedPlan> {
  if (typeof plan === 'string') {
    return { plan: await readPlacementPlan(plan, { fingerprint }), path: plan };
  }
  const path = 'the plan';
  if (plan.fingerprint === fingerprint) return { plan, path };
  throw new PipelineError(
    'ARTIFACT_MODEL_MISMATCH',
    `The plan was made for the model ${plan.fingerprint}, this one is ${fingerprint}. Solve a plan for this model.`,
    { path, expected: fingerprint, found: plan.fingerprint },
  );
}

/**
 * The budgets to load with: those that were asked for, which must be the plan's, or else the
 * plan's own. A plan for less memory would waste what there is, one for more would not fit, so
 * neither is used in silence.
 *
 * @throws PipelineError `PLAN_BUDGET_MISMATCH`
 */
export function planBudgets(
  { plan, path }: NamedPlan,
  asked: { ramBudgetBytes?: number | undefined; vramBudgetBytes?: number | undefined },
): { ramBudgetBytes: number; vramBudgetBytes: number } {
  const { gpu, cpu } = plan.budgetBytes;
  const same = (tier: Tier, flag: string, plannedBytes: number, foundBytes = plannedBytes) => {
    if (foundBytes === plannedBytes) return plannedBytes;
    const found = foundBytes === 0 ? 'none' : formatBytes(foundBytes);
    throw new PipelineError(
      'PLAN_BUDGET_MISMATCH',
      `${path} was solved for ${formatBytes(plannedBytes)} on ${tier}, and ${found} is asked for. ` +
        `Solve again with \`thermocline solve ${flag}\`, or leave ${flag} out to use the plan's.`,
      { path, tier, plannedBytes, foundBytes },
    );
  };
  return {
    ramBudgetBytes: same('cpu', '--ram', cpu, asked.ramBudgetBytes),
    vramBudgetBytes: same('gpu', '--vram', gpu, asked.vramBudgetBytes),
  };
}

/**
 * Refuses a plan that this engine cannot carry out, with the reason.
 *
 * @throws PipelineError `PLAN_TIER_MISSING`
 */
export function requirePlacedInMemory({ plan, path }: NamedPlan): void {
  for (const [layer, { order, tierEnd }] of plan.layers.entries()) {
    const [gpuEnd, cpuEnd] = tierEnd;
    if (gpuEnd === 0 && cpuEnd === order.length) continue;
    const tier = gpuEnd > 0 ? 'gpu' : 'flash';
    throw new PipelineError(
      'PLAN_TIER_MISSING',
      `${path} puts neurons of layer ${layer} on ${tier}, and this release computes in system memory only. ` +
        'Solve with `--vram 0` and enough `--ram` to hold the model.',
      { path, tier, layer },
    );
  }
}
