import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hardwareInfoToJson, writeHardwareInfo } from '@thermocline/contracts';
import { afterAll, describe, expect, it } from 'vitest';
import { findHardware, shippedHardware } from './shipped-hardware.js';

const folder = await mkdtemp(join(tmpdir(), 'thermocline-hardware-'));
afterAll(() => rm(folder, { recursive: true }));
const source = join(import.meta.dirname, '..', 'hardware');

describe('shipped hardware', () => {
  it('is every file of the folder, by its name', async () => {
    const files = (await readdir(source)).map((file) => file.replace(/\.json$/, ''));
    expect(shippedHardware().sort()).toEqual(files.sort());
  });

  it.each(shippedHardware())('%s is as the schema asks, and plausible', async (name) => {
    const hardware = await findHardware(name);
    expect(hardware.name).toBe(name);
    const { gpu, cpu, flash } = hardware.tiers;
    expect(gpu?.sequentialBytesPerSecond ?? Infinity).toBeGreaterThan(cpu.sequentialBytesPerSecond);
    expect(cpu.sequentialBytesPerSecond).toBeGreaterThan(flash?.sequentialBytesPerSecond ?? 0);
    for (const tier of [gpu, cpu, flash]) {
      if (tier === undefined) continue;
      expect(tier.availableBytes).toBeLessThanOrEqual(tier.capacityBytes);
      expect(tier.syncSeconds).toBeLessThan(1e-3);
      const sizes = tier.random.map(({ blockBytes }) => blockBytes);
      expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
      for (const { bytesPerSecond } of tier.random) {
        expect(bytesPerSecond).toBeLessThanOrEqual(tier.sequentialBytesPerSecond);
      }
    }
  });

  it('has no key that the format does not know, but its notes', async () => {
    for (const name of shippedHardware()) {
      const json = JSON.parse(await readFile(join(source, `${name}.json`), 'utf8'));
      expect(json.notes.length).toBeGreaterThan(2);
      delete json.notes;
      expect(hardwareInfoToJson(await findHardware(name))).toEqual(json);
    }
  });
});

describe('findHardware', () => {
  it('reads a file that was written for another machine', async () => {
    const path = join(folder, 'mine.json');
    const hardware = { ...(await findHardware('rtx-4090-pc')), name: 'mine' };
    await writeHardwareInfo(path, hardware);
    expect(await findHardware(path)).toEqual(hardware);
  });

  it('names the machines there are when it knows none of that name', async () => {
    await expect(findHardware('rtx-5090-pc')).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/"rtx-5090-pc"; there are .*rtx-4090-pc/),
    });
  });

  it('refuses files that are not there or are something else', async () => {
    const missing = join(folder, 'missing.json');
    await expect(findHardware(missing)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    const broken = join(folder, 'broken.json');
    await writeFile(broken, '{"name": "x"}');
    await expect(findHardware(broken)).rejects.toMatchObject({ code: 'ARTIFACT_CORRUPT' });
  });
});
