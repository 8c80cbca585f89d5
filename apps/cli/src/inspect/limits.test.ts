import type { HardwareInfo, TierInfo } from '@thermocline/contracts';
import { expect, it } from 'vitest';
import { hardwareLimits } from './limits.js';

const cpu: TierInfo = {
  device: 'system memory',
  capacityBytes: 2 ** 35,
  availableBytes: 2 ** 34,
  sequentialBytesPerSecond: 50e9,
  random: [
    { blockBytes: 1024, bytesPerSecond: 30e9 },
    { blockBytes: 4096, bytesPerSecond: 46e9 },
  ],
  syncSeconds: 2e-6,
  hugePages: true,
};
const flash: TierInfo = {
  ...cpu,
  sequentialBytesPerSecond: 1.25e9,
  random: [
    { blockBytes: 4096, queueDepth: 1, bytesPerSecond: 40.96e6 },
    { blockBytes: 4096, queueDepth: 32, bytesPerSecond: 409.6e6 },
    { blockBytes: 65536, queueDepth: 8, bytesPerSecond: 1.2e9 },
    { blockBytes: 65536, queueDepth: 32, bytesPerSecond: 1.25e9 },
  ],
  syncSeconds: 1e-4,
};
const gpu: TierInfo = { ...cpu, random: [], linkBytesPerSecond: 25e9, syncSeconds: 4e-5 };
const machine = (tiers: HardwareInfo['tiers']): HardwareInfo => ({
  name: 'box',
  cpu: { model: 'CPU', cores: 2, threads: 2, features: [] },
  tiers,
});

it('says what each tier is limited by', () => {
  const text = hardwareLimits(machine({ gpu, cpu, flash })).join('\n');
  expect(text).toContain('25.00 GB/s; system memory reads 2.0 times as fast');
  expect(text).toContain('as long as system memory needs for 1.9 MiB');
  expect(text).toContain('bundles of 4 KiB and more');
  expect(text).toContain('100,000 a second at depth 32; one alone takes 100.0 µs');
  expect(text).toContain('full speed (1.25 GB/s) is reached from 64 KiB at depth 8 on');
  expect(text).toContain('system memory reads 40 times as fast');
});

it('does without figures that a file leaves out', () => {
  const { linkBytesPerSecond: _, ...noLink } = gpu;
  const bare: TierInfo = { ...cpu, random: [], hugePages: false };
  const lines = hardwareLimits(
    machine({ gpu: noLink, cpu: bare, flash: { ...flash, random: [] } }),
  );
  expect(lines).toHaveLength(3);
  expect(lines.join('\n')).not.toMatch(/NaN|Infinity|undefined/);
  expect(lines.join('\n')).toContain('no huge pages');
});

it('says how much scattered reading costs where it never keeps up', () => {
  const slow = { ...cpu, random: [{ blockBytes: 1024, bytesPerSecond: 20e9 }] };
  expect(hardwareLimits(machine({ cpu: slow }))).toEqual([
    'memory: scattered bundles reach 40 % of the speed of long runs',
  ]);
});
