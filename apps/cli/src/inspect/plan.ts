import { readPlacementPlan, TIERS } from '@thermocline/contracts';
import { formatBytes } from '@thermocline/runtime';
import { formatCount, formatMs, formatShare } from '../format.js';
import { layerTable } from '../placement/layer-table.js';
import { table } from '../table.js';
import { heading, originReport, type Report, type ReportOptions, shorten } from './report.js';

/** A placement plan: where the neurons of each layer live, as a bar cut into tiers. */
export async function inspectPlan(path: string, options: ReportOptions): Promise<Report> {
  const plan = await readPlacementPlan(path);
  const origin = originReport(plan);
  const { budgetBytes, usedBytes, predicted, solution, workload } = plan;
  const layers = plan.layers.map(({ order, tierEnd: [gpuEnd, cpuEnd] }) => ({
    gpu: gpuEnd,
    cpu: cpuEnd - gpuEnd,
    flash: order.length - cpuEnd,
  }));
  const budgets = TIERS.map((tier) => [
    tier,
    formatBytes(budgetBytes[tier]),
    usedBytes ? formatBytes(usedBytes[tier]) : 'not stated',
  ]);
  return {
    json: {
      ...origin.json,
      budget_bytes: budgetBytes,
      used_bytes: usedBytes ?? null,
      predicted_tps: predicted ? 1 / predicted.secondsPerToken : null,
      objective: solution?.value ?? null,
      objective_name: solution?.objective ?? null,
      bound: solution?.bound ?? null,
      gap: solution?.gap ?? null,
      workload: workload
        ? { mode: workload.mode, context: workload.contextTokens, kv_type: workload.kvType }
        : null,
      shadow_prices: plan.shadowPrices ?? null,
      layers,
    },
    lines: [
      heading('placement plan'),
      ...origin.lines,
      ...(workload
        ? [
            `  for mode ${workload.mode}, context ${formatCount(workload.contextTokens)}, KV ${workload.kvType}`,
          ]
        : []),
      ...(predicted ? [`  predicted ${formatMs(predicted.secondsPerToken * 1000)} a token`] : []),
      ...(solution
        ? [`  at most ${formatShare(solution.gap)} from the best (${solution.objective})`]
        : []),
      '',
      table(budgets, { head: ['tier', 'budget', 'used'], right: [1, 2] }),
      '',
      ...layerTable(layers, (rows, draw) => shorten(rows, options, draw)),
    ],
  };
}
