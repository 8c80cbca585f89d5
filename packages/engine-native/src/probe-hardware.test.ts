import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hardwareInfoToJson, parseHardwareInfo } from '@thermocline/contracts';
import { expect, it, onTestFinished } from 'vitest';
import { type GpuInfo, listGpus, type ProbeOptions, probeHardware } from './index.js';

const MIB = 2 ** 20;
const quick: ProbeOptions = { bufferBytes: 64 * MIB, threads: 1, gpu: false, driveFolder: null };

it('measures memory with every size of bundle', async () => {
  const heard: number[] = [];
  const hardware = await probeHardware({ ...quick, onProgress: (share) => heard.push(share) });
  expect(parseHardwareInfo(hardwareInfoToJson(hardware))).toEqual(hardware);
  expect(Object.keys(hardware.tiers)).toEqual(['cpu']);
  const { cpu } = hardware.tiers;
  expect(cpu.random.map(({ blockBytes }) => blockBytes / 1024)).toEqual([1, 2, 4, 8, 16, 32, 64]);
  if (process.platform === 'linux') expect(cpu.hugePages).toBeTypeOf('boolean');
  expect(hardware.name).toMatch(/^[a-z0-9-]+$/);
  expect(heard).toEqual([...heard].sort((a, b) => a - b));
  expect(heard.every((share) => share >= 0 && share <= 1)).toBe(true);
});

it('measures the drive by size and queue depth, and leaves nothing there', async (test) => {
  const folder = mkdtempSync(join(tmpdir(), 'thermocline-probe-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const notices: string[] = [];
  const running = probeHardware({
    ...quick,
    driveFolder: folder,
    driveFileBytes: 32 * MIB,
    onNotice: (notice) => notices.push(notice),
  });
  const { tiers } = await running;
  expect(readdirSync(folder)).toEqual([]);
  if (tiers.flash === undefined) return test.skip(notices.join());
  expect(notices).toEqual([]);
  expect(tiers.flash.random).toHaveLength(35);
  const pairs = tiers.flash.random.map(({ blockBytes, queueDepth }) => [blockBytes, queueDepth]);
  expect(pairs.slice(0, 6)).toEqual([
    [4096, 1],
    [4096, 4],
    [4096, 8],
    [4096, 16],
    [4096, 32],
    [8192, 1],
  ]);
  expect(pairs.at(-1)).toEqual([262144, 32]);
}, 60_000);

it('says why a tier is missing', async () => {
  const notices: string[] = [];
  const { tiers } = await probeHardware({
    ...quick,
    driveFolder: '/no/such/folder',
    onNotice: (notice) => notices.push(notice),
  });
  expect(tiers.flash).toBeUndefined();
  expect(notices).toEqual([expect.stringContaining('/no/such/folder')]);
});

it('measures a Vulkan device, here of any kind', async (test) => {
  let gpus: GpuInfo[];
  try {
    gpus = await listGpus();
  } catch (error) {
    return test.skip((error as Error).message);
  }
  if (gpus.every(({ unusable }) => unusable !== null)) return test.skip('no device is usable');
  const { tiers, name } = await probeHardware({ ...quick, gpu: true, vulkanCpuDevices: true });
  expect(gpus.map((gpu) => gpu.name)).toContain(tiers.gpu?.device);
  expect(tiers.gpu).toMatchObject({
    capacityBytes: expect.any(Number),
    linkBytesPerSecond: expect.any(Number),
    random: [],
  });
  expect(tiers.gpu?.availableBytes).toBeLessThanOrEqual(tiers.gpu?.capacityBytes as number);
  expect(tiers.gpu?.syncSeconds).toBeGreaterThan(0);
  expect(name.length).toBeGreaterThan(0);
}, 60_000);

it('passes over processors that pose as GPUs, with a notice', async (test) => {
  const notices: string[] = [];
  const { tiers } = await probeHardware({
    ...quick,
    gpu: true,
    vulkanCpuDevices: false,
    onNotice: (notice) => notices.push(notice),
  });
  if (tiers.gpu !== undefined) return test.skip(`there is a GPU: ${tiers.gpu.device}`);
  expect(notices).toEqual([expect.stringMatching(/^No GPU was measured: \S/)]);
});

it('can be aborted in every part', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thermocline-probe-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const after of [0, 20, 300]) {
    const running = probeHardware({
      ...quick,
      gpu: true,
      driveFolder: folder,
      signal: AbortSignal.timeout(after),
    });
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' });
    expect(readdirSync(folder)).toEqual([]);
  }
});
