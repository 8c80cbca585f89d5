import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseHardwareInfo, readHardwareInfo } from '@thermocline/contracts';
import { expect, it, onTestFinished } from 'vitest';
import * as z from 'zod';
import { runCli, runJson } from '../testing/run-cli.js';

const doctorShape = z.strictObject({
  version: z.string(),
  node: z.literal(process.versions.node),
  platform: z.literal(process.platform),
  arch: z.literal(process.arch),
  cpu: z.strictObject({
    model: z.string().min(1),
    cores: z.number().int().positive(),
    threads: z.number().int().positive(),
    features: z.array(z.string()),
  }),
  kernels: z.array(
    z.strictObject({
      name: z.string(),
      supported: z.boolean(),
      chosen: z.boolean(),
      needs: z.string(),
      trade: z.string().nullable(),
      why: z.string().min(1),
    }),
  ),
  binary: z.string().regex(/\.node$/),
  memory: z.strictObject({
    total_bytes: z.number().positive(),
    available_bytes: z.number().positive(),
    huge_pages: z.enum(['always', 'madvise', 'never']).nullable(),
  }),
  gpus: z.array(z.strictObject({ name: z.string(), used: z.boolean(), reason: z.string() })),
  drive: z.strictObject({
    device: z.string(),
    file_system: z.string(),
    capacity_bytes: z.number().positive(),
    available_bytes: z.number(),
  }),
  problems: z.tuple([]),
  advice: z.array(z.string()),
});

it('doctor explains the machine', async () => {
  const diagnosis = doctorShape.parse(await runJson(['doctor']));
  expect(diagnosis.kernels.filter(({ chosen }) => chosen)).toHaveLength(1);
  expect(diagnosis.kernels.every(({ supported, chosen }) => supported || !chosen)).toBe(true);
  expect(diagnosis.kernels.every(({ trade, chosen }) => trade === null || !chosen)).toBe(true);
  const { code, stdout } = await runCli(['doctor']);
  expect(code).toBe(0);
  expect(stdout).toContain(diagnosis.cpu.model);
  expect(stdout).toContain('Thermocline can run here.');
  expect(stdout).not.toContain('\x1b');
});

it('doctor names a binary that does not load, and fails', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thermocline-doctor-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const broken = join(folder, 'broken.node');
  writeFileSync(broken, 'no binary');
  const env = { THERMOCLINE_NATIVE_BINARY: broken };
  const { code, stdout } = await runCli(['doctor'], { env });
  expect(code).toBe(1);
  expect(stdout).toContain(broken);
  const run = await runCli(['run', '-p', 'Once'], { env });
  expect(run.code).toBe(1);
  expect(run.stderr).toMatch(/NATIVE_BINARY_MISSING/);
});

it('probe measures the tiers into a file that inspect reads', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thermocline-probe-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'machine.json');
  const args = ['probe', '--name', 'test-machine', '--drive', folder, '--no-gpu', '-o', path];
  const { code, stdout } = await runCli([...args, '--json']);
  expect(code).toBe(0);
  const hardware = parseHardwareInfo(JSON.parse(stdout));
  expect(hardware.name).toBe('test-machine');
  expect(hardware.tiers.cpu.sequentialBytesPerSecond).toBeGreaterThan(1e8);
  expect(hardware.tiers.cpu.syncSeconds).toBeGreaterThan(0);
  expect(hardware.tiers.gpu).toBeUndefined();
  expect(readdirSync(folder)).toEqual(['machine.json']);
  expect(await readHardwareInfo(path)).toEqual(hardware);

  expect(await runJson(['inspect', path])).toMatchObject({
    kind: 'hardware',
    hardware: { name: 'test-machine' },
  });
  const shown = await runCli(['inspect', path]);
  expect(shown.stdout).toContain('what limits');
  if (hardware.tiers.flash) expect(shown.stdout).toMatch(/block +depth 1 +depth 4 .*depth 32/);
}, 60_000);

it('probe says what it does not measure', async () => {
  const { code, stdout, stderr } = await runCli(['probe', '--drive', '/proc'], {
    env: { VK_ICD_FILENAMES: '/no/such/driver', VK_DRIVER_FILES: '/no/such/driver' },
  });
  expect(code).toBe(0);
  expect(stderr).toMatch(/note: No GPU was measured: .*Vulkan is/);
  expect(stderr).toMatch(/note: The drive was not measured: .*proc/);
  expect(stdout).not.toMatch(/^ *flash/m);
}, 60_000);

it.each([
  ['--drive', '/no/such/folder'],
  ['-o', '/no/such/folder/machine.json'],
])('probe refuses %s %s before it measures', async (...args) => {
  const { code, stderr } = await runCli(['probe', ...args]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/there is no such folder/);
  expect(stderr).not.toContain('Measuring');
});

it('probe measures a software GPU when asked to', async (test) => {
  const env = { THERMOCLINE_VULKAN_CPU_DEVICES: '1' };
  const { code, stdout, stderr } = await runCli(['probe', '--no-drive', '--json'], { env });
  expect(code).toBe(0);
  const { gpu } = parseHardwareInfo(JSON.parse(stdout)).tiers;
  if (gpu === undefined) return test.skip(stderr);
  expect(gpu.linkBytesPerSecond).toBeGreaterThan(1e7);
}, 60_000);

it('probe ends at Ctrl-C and leaves no file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thermocline-probe-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const args = ['probe', '--drive', folder, '-o', join(folder, 'machine.json')];
  const { code, stdout } = await runCli(args, {
    onOutput: (child, _, stderr) => {
      if (stderr.includes('Measuring')) setTimeout(() => child.kill('SIGINT'), 1_500);
    },
  });
  expect(code).toBe(130);
  expect(stdout).toBe('');
  expect(readdirSync(folder)).toEqual([]);
}, 60_000);

it('probe leaves no file when it is killed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thermocline-probe-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  await runCli(['probe', '--drive', folder, '--no-gpu'], {
    onOutput: (child, _, stderr) => {
      if (stderr.includes('Measuring')) setTimeout(() => child.kill('SIGKILL'), 2_500);
    },
  });
  expect(readdirSync(folder)).toEqual([]);
}, 60_000);
