import {
  type HardwareInfo,
  hardwareInfoToJson,
  readHardwareInfo,
  TIERS,
} from '@thermocline/contracts';
import { formatBytes } from '@thermocline/runtime';
import { table } from '../table.js';
import { colors, oneLine } from '../terminal.js';
import { heading, type Report } from './report.js';

/** A hardware file, as `probe --json` writes them. */
export async function inspectHardware(path: string): Promise<Report> {
  const hardware = await readHardwareInfo(path);
  return {
    json: { hardware: hardwareInfoToJson(hardware) },
    lines: [heading('hardware'), ...hardwareLines(hardware)],
  };
}

/** The tiers of a machine, side by side. */
export function hardwareLines({ name, cpu, tiers }: HardwareInfo): string[] {
  const present = TIERS.filter((tier) => tiers[tier] !== undefined);
  const rows = present.map((tier) => {
    const info = tiers[tier] as NonNullable<HardwareInfo['tiers'][typeof tier]>;
    return [
      tier,
      oneLine(info.device, 36),
      formatBytes(info.capacityBytes),
      formatBytes(info.availableBytes),
      formatSpeed(info.sequentialBytesPerSecond),
      `${(info.syncSeconds * 1e6).toFixed(1)} µs`,
    ];
  });
  const head = ['tier', 'device', 'capacity', 'available', 'sequential', 'hand-over'];
  return [
    `  ${oneLine(name)}: ${oneLine(cpu.model)}, ${cpu.cores} cores, ${cpu.threads} threads`,
    '',
    table(rows, { head, right: [2, 3, 4, 5] }),
    ...present.flatMap((tier) => randomLines(tier, tiers[tier]?.random ?? [])),
  ];
}

function randomLines(tier: string, random: HardwareInfo['tiers']['cpu']['random']): string[] {
  if (random.length === 0) return [];
  const rows = random.map(({ blockBytes, bytesPerSecond }) => [
    formatBytes(blockBytes),
    formatSpeed(bytesPerSecond),
  ]);
  return ['', colors.dim(`  ${tier}: scattered blocks`), table(rows, { right: [0, 1] })];
}

function formatSpeed(bytesPerSecond: number): string {
  return `${(bytesPerSecond / 1e9).toFixed(2)} GB/s`;
}
