import type { PlacementPlan } from '@thermocline/contracts';
import type { RawPlan } from './binding.js';
import { checkInteger, invalidArgument } from './check-arguments.js';

/** A plan as the core takes it; what it says of tiers and neurons is checked there. */
export function checkPlan(plan: PlacementPlan): RawPlan {
  if (typeof plan !== 'object' || plan === null || !Array.isArray(plan.layers)) {
    throw invalidArgument('plan', 'must be a placement plan');
  }
  if (plan.layers.length === 0) throw invalidArgument('plan.layers', 'must not be empty');
  return plan.layers.map(({ order, tierEnd }, i) => {
    if (!(order instanceof Uint32Array) || !Array.isArray(tierEnd)) {
      throw invalidArgument(`plan.layers[${i}]`, 'must have an order and two tier ends');
    }
    const [gpuEnd, cpuEnd] = tierEnd.map((end, j) =>
      checkInteger(end, `plan.layers[${i}].tierEnd[${j}]`, 0),
    );
    return [order, gpuEnd ?? 0, cpuEnd ?? 0];
  });
}
