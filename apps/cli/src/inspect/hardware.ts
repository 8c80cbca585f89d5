import {
  type HardwareInfo,
  hardwareInfoToJson,
  readHardwareInfo,
  TIERS,
  type Tier,
  type TierInfo,
} from '@thermocline/contracts';
import { formatBytes } from '@thermocline/runtime';
import { table } from '../table.js';
import { colors, oneLine } from '../terminal.js';
import { formatBlock, formatMicroseconds, formatSpeed, hardwareLimits } from './limits.js';
import { heading, type Report } from './report.js';

/** A hardware file, as `probe --json` writes them. */
export async function inspectHardware(path: string): Promise<Report> {
  const hardware = await readHardwareInfo(path);
  return {
    json: { hardware: hardwareInfoToJson(hardware) },
    lines: [heading('hardware'), ...hardwareLines(hardware)],
  };
}

/** The tiers of a machine side by side, its scattered reads, and what limits it. */
export function hardwareLines(hardware: HardwareInfo): string[] {
  const { name, cpu, tiers } = hardware;
  const present = TIERS.filter((tier) => tiers[tier] !== undefined);
  const rows = present.map((tier) => tierRow(tier, tiers[tier] as TierInfo));
  const head = ['tier', 'device', 'capacity', 'available', 'sequential', 'hand-over'];
  const limits = hardwareLimits(hardware);
  return [
    `  ${oneLine(name)}: ${oneLine(cpu.model)}, ${cpu.cores} cores, ${cpu.threads} threads`,
    '',
    table(rows, { head, right: [2, 3, 4, 5] }),
    ...present.flatMap((tier) => randomLines(tier, tiers[tier]?.random ?? [])),
    ...(limits.length > 0 ? ['', colors.dim('  what limits'), ...limits.map(indent)] : []),
  ];
}

function tierRow(tier: Tier, info: TierInfo): string[] {
  return [
    tier,
    oneLine(info.device, 36),
    formatBytes(info.capacityBytes),
    formatBytes(info.availableBytes),
    formatSpeed(info.sequentialBytesPerSecond),
    formatMicroseconds(info.syncSeconds),
  ];
}

/** Block sizes down, queue depths across; reads of no stated depth have a column of their own. */
function randomLines(tier: Tier, random: TierInfo['random']): string[] {
  if (random.length === 0) return [];
  const sizes = [...new Set(random.map(({ blockBytes }) => blockBytes))].sort((a, b) => a - b);
  const depths = [...new Set(random.map(({ queueDepth }) => queueDepth ?? 0))].sort(
    (a, b) => a - b,
  );
  const rates = new Map(
    random.map(({ blockBytes, queueDepth = 0, bytesPerSecond }) => [
      `${blockBytes}:${queueDepth}`,
      (bytesPerSecond / 1e9).toFixed(2),
    ]),
  );
  const rows = sizes.map((size) => [
    formatBlock(size),
    ...depths.map((depth) => rates.get(`${size}:${depth}`) ?? ''),
  ]);
  const head = ['block', ...depths.map((depth) => (depth === 0 ? 'GB/s' : `depth ${depth}`))];
  const title = `  ${tier}: scattered blocks, GB/s${depths.some(Boolean) ? ' by reads under way' : ''}`;
  return ['', colors.dim(title), table(rows, { head, right: [0, ...depths.map((_, i) => i + 1)] })];
}

function indent(line: string): string {
  return `  ${line}`;
}
