import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type HardwareInfo,
  hardwareInfoToJson,
  parseHardwareInfo,
  readHardwareInfo,
  writeHardwareInfo,
} from './hardware-info.js';

const machine: HardwareInfo = {
  name: 'two-core-box',
  cpu: { model: 'Some CPU', cores: 1, threads: 2, features: ['avx2', 'avx512-vnni'] },
  tiers: {
    cpu: {
      device: 'DDR4',
      capacityBytes: 2 ** 36,
      availableBytes: 2 ** 35,
      sequentialBytesPerSecond: 51e9,
      random: [{ blockBytes: 4608, bytesPerSecond: 46e9 }],
      syncSeconds: 2e-6,
    },
    flash: {
      device: 'nvme0n1',
      capacityBytes: 2 ** 40,
      availableBytes: 2 ** 39,
      sequentialBytesPerSecond: 1.25e9,
      random: [
        { blockBytes: 4096, bytesPerSecond: 0.37e9 },
        { blockBytes: 65536, bytesPerSecond: 1.25e9 },
      ],
      syncSeconds: 1e-4,
    },
  },
};

describe('hardware info', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'thermocline-hardware-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('is written with snake_case keys and read back', async () => {
    const path = join(folder, 'machine.json');
    await writeHardwareInfo(path, machine);
    expect(await readHardwareInfo(path)).toEqual(machine);
    const json = JSON.parse(await readFile(path, 'utf8'));
    expect(json).toEqual(hardwareInfoToJson(machine));
    expect(json.tiers.flash.random[0]).toEqual({ block_bytes: 4096, bytes_per_second: 0.37e9 });
  });

  it('takes no more measurements than a grid has', () => {
    const many = structuredClone(machine);
    many.tiers.cpu.random = Array.from({ length: 257 }, (_, i) => ({
      blockBytes: i + 1,
      bytesPerSecond: 1,
    }));
    expect(() => parseHardwareInfo(hardwareInfoToJson(many))).toThrow(/random/);
  });

  it('names the field that is wrong', () => {
    const bad = structuredClone(machine);
    bad.tiers.cpu.capacityBytes = -1;
    expect(() => parseHardwareInfo(hardwareInfoToJson(bad))).toThrow(/tiers\.cpu\.capacityBytes/);
    expect(() => parseHardwareInfo(null)).toThrow(/hardware/);
  });

  it.each(['', '{', '[]', '{"name":"x"}'])('refuses the file %s', async (text) => {
    const path = join(folder, 'bad.json');
    await writeFile(path, text);
    await expect(readHardwareInfo(path)).rejects.toMatchObject({
      code: 'ARTIFACT_CORRUPT',
      details: { path },
    });
  });

  it('says when the file is missing, or no such file at all', async () => {
    const missing = readHardwareInfo(join(folder, 'missing.json'));
    await expect(missing).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await writeFile(join(folder, 'large.json'), Buffer.alloc((1 << 20) + 1));
    const large = readHardwareInfo(join(folder, 'large.json'));
    await expect(large).rejects.toMatchObject({ code: 'ARTIFACT_CORRUPT' });
  });
});
