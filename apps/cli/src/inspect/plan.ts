import { readPlacementPlan, TIERS } from '@thermocline/contracts';
import { formatBytes } from '@thermocline/runtime';
import { formatCount, formatMs } from '../format.js';
import { table } from '../table.js';
import { colors } from '../terminal.js';
import { heading, originReport, type Report } from './report.js';

const WIDTH = 40;

/** A placement plan: where the neurons of each layer live, as a bar cut into tiers. */
export async function inspectPlan(path: string): Promise<Report> {
  const plan = await readPlacementPlan(path);
  const origin = originReport(plan);
  const { budgetBytes, usedBytes, predicted, solution } = plan;
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
  const rows = layers.map((layer, index) => [
    String(index),
    ...TIERS.map((tier) => formatCount(layer[tier])),
    tierBar(layer),
  ]);
  return {
    json: {
      ...origin.json,
      budget_bytes: budgetBytes,
      used_bytes: usedBytes ?? null,
      predicted_tps: predicted ? 1 / predicted.secondsPerToken : null,
      objective: solution?.objective ?? null,
      bound: solution?.bound ?? null,
      gap: solution?.gap ?? null,
      layers,
    },
    lines: [
      heading('placement plan'),
      ...origin.lines,
      ...(predicted ? [`  predicted ${formatMs(predicted.secondsPerToken * 1000)} a token`] : []),
      '',
      table(budgets, { head: ['tier', 'budget', 'used'], right: [1, 2] }),
      '',
      table(rows, { head: ['layer', ...TIERS, 'where the neurons live'], right: [0, 1, 2, 3] }),
      `  ${colors.red('█')} gpu  ${colors.yellow('▓')} cpu  ${colors.blue('░')} flash`,
    ],
  };
}

function tierBar({ gpu, cpu, flash }: { gpu: number; cpu: number; flash: number }): string {
  const all = gpu + cpu + flash || 1;
  const gpuEnd = Math.round((gpu / all) * WIDTH);
  const cpuEnd = Math.round(((gpu + cpu) / all) * WIDTH);
  return (
    colors.red('█'.repeat(gpuEnd)) +
    colors.yellow('▓'.repeat(cpuEnd - gpuEnd)) +
    colors.blue('░'.repeat(WIDTH - cpuEnd))
  );
}
