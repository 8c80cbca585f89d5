import type { Tier } from '@thermocline/contracts';
import { colors } from '../terminal.js';

const WIDTH = 40;

/** How many of a layer's neurons live where, as a bar cut into tiers. */
export function tierBar({ gpu, cpu, flash }: Record<Tier, number>): string {
  const all = gpu + cpu + flash || 1;
  const gpuEnd = Math.round((gpu / all) * WIDTH);
  const cpuEnd = Math.round(((gpu + cpu) / all) * WIDTH);
  return (
    colors.red('█'.repeat(gpuEnd)) +
    colors.yellow('▓'.repeat(cpuEnd - gpuEnd)) +
    colors.blue('░'.repeat(WIDTH - cpuEnd))
  );
}

/** What the parts of a bar mean. */
export function tierLegend(): string {
  return `  ${colors.red('█')} gpu  ${colors.yellow('▓')} cpu  ${colors.blue('░')} flash`;
}
