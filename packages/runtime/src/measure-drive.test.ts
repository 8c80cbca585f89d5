import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isPipelineError, type TierInfo } from '@thermocline/contracts';
import { expect, it, onTestFinished } from 'vitest';
import { measureDrive } from './measure-drive.js';

it('measures a drive and leaves nothing behind', async (context) => {
  const folder = mkdtempSync(join(import.meta.dirname, '..', '.probe-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  let drive: TierInfo;
  try {
    drive = await measureDrive(folder);
  } catch (error) {
    expect(readdirSync(folder)).toEqual([]);
    if (isPipelineError(error, 'IO_ERROR')) return context.skip(error.message);
    throw error;
  }
  expect(readdirSync(folder)).toEqual([]);
  expect(drive.sequentialBytesPerSecond).toBeGreaterThan(1e6);
  expect(drive.random.map(({ blockBytes }) => blockBytes / 1024)).toEqual([4, 8, 16, 32, 64]);
  expect(drive.syncSeconds).toBeGreaterThan(1e-7);
  expect(drive.syncSeconds).toBeLessThan(1);
  expect(drive.capacityBytes).toBeGreaterThan(drive.availableBytes);
});

it('names a folder that is not there', async () => {
  await expect(measureDrive('/no/such/folder')).rejects.toMatchObject({ code: 'IO_ERROR' });
});

it('stops and cleans up', async () => {
  const folder = mkdtempSync(join(import.meta.dirname, '..', '.probe-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const controller = new AbortController();
  const onProgress = () => controller.abort();
  const measuring = measureDrive(folder, { signal: controller.signal, onProgress });
  await expect(measuring).rejects.toMatchObject({ code: 'ABORTED' });
  expect(readdirSync(folder)).toEqual([]);
});
