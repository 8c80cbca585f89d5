import type { HardwareInfo, TierInfo } from '@thermocline/contracts';
import { formatBytes } from '@thermocline/runtime';

/** Figures this close to the best one count as the best. */
const NEARLY = 0.9;

/** What holds each tier of a machine back, in sentences for a person who places neurons. */
export function hardwareLimits({ tiers }: HardwareInfo): string[] {
  const { gpu, cpu, flash } = tiers;
  return [
    ...(gpu ? gpuLimits(gpu, cpu) : []),
    ...memoryLimits(cpu),
    ...(flash ? flashLimits(flash, cpu) : []),
  ];
}

function gpuLimits(gpu: TierInfo, cpu: TierInfo): string[] {
  const lines: string[] = [];
  const link = gpu.linkBytesPerSecond;
  if (link !== undefined) {
    const times = ratio(cpu.sequentialBytesPerSecond / link);
    lines.push(
      `gpu: the link brings ${formatSpeed(link)}; ${link < cpu.sequentialBytesPerSecond ? `system memory reads ${times} as fast, so cold neurons are computed where they lie` : 'as fast as system memory reads'}`,
    );
  }
  const handOver = gpu.syncSeconds * cpu.sequentialBytesPerSecond;
  lines.push(
    `gpu: one hand-over takes as long as system memory needs for ${formatBytes(Math.round(handOver))}; a layer should have more than that to do on the GPU`,
  );
  return lines;
}

function memoryLimits({ random, sequentialBytesPerSecond, hugePages }: TierInfo): string[] {
  const lines: string[] = [];
  const fast = random.find(
    ({ bytesPerSecond }) => bytesPerSecond >= NEARLY * sequentialBytesPerSecond,
  );
  const best = Math.max(...random.map(({ bytesPerSecond }) => bytesPerSecond));
  if (fast) {
    lines.push(
      `memory: bundles of ${formatBlock(fast.blockBytes)} and more, scattered, are read as fast as long runs`,
    );
  } else if (random.length > 0) {
    const share = Math.round((best / sequentialBytesPerSecond) * 100);
    lines.push(`memory: scattered bundles reach ${share} % of the speed of long runs`);
  }
  if (hugePages === false) lines.push('memory: the system gave no huge pages; doctor says how');
  return lines;
}

function flashLimits(flash: TierInfo, cpu: TierInfo): string[] {
  const lines: string[] = [];
  const { random } = flash;
  const best = Math.max(...random.map(({ bytesPerSecond }) => bytesPerSecond));
  const smallest = Math.min(...random.map(({ blockBytes }) => blockBytes));
  const small = random.filter(({ blockBytes }) => blockBytes === smallest);
  const fastest = small.reduce<TierInfo['random'][number] | undefined>(
    (top, entry) => (top && top.bytesPerSecond >= entry.bytesPerSecond ? top : entry),
    undefined,
  );
  if (fastest) {
    const perSecond = Math.round(fastest.bytesPerSecond / smallest).toLocaleString('en');
    const depth = fastest.queueDepth === undefined ? '' : ` at depth ${fastest.queueDepth}`;
    lines.push(
      `flash: ${formatBlock(smallest)} reads are limited by their number, ${perSecond} a second${depth}; one alone takes ${formatMicroseconds(flash.syncSeconds)}`,
    );
  }
  const full = random.find(({ bytesPerSecond }) => bytesPerSecond >= NEARLY * best);
  if (full && full.blockBytes > smallest) {
    const depth = full.queueDepth === undefined ? '' : ` at depth ${full.queueDepth}`;
    lines.push(
      `flash: full speed (${formatSpeed(best)}) is reached from ${formatBlock(full.blockBytes)}${depth} on`,
    );
  }
  const times = ratio(
    cpu.sequentialBytesPerSecond / Math.max(best, flash.sequentialBytesPerSecond),
  );
  lines.push(`flash: system memory reads ${times} as fast`);
  return lines;
}

function ratio(times: number): string {
  return `${times >= 10 ? Math.round(times) : times.toFixed(1)} times`;
}

/** Blocks come in round sizes: `4 KiB`, not `4.0 KiB`. */
export function formatBlock(bytes: number): string {
  return formatBytes(bytes).replace('.0 ', ' ');
}

export function formatSpeed(bytesPerSecond: number): string {
  return `${(bytesPerSecond / 1e9).toFixed(2)} GB/s`;
}

export function formatMicroseconds(seconds: number): string {
  return `${(seconds * 1e6).toFixed(1)} µs`;
}
