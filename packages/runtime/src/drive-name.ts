import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * The drive a folder lies on, as the system calls it: its model where Linux knows it, else the
 * block device, else the folder.
 */
export async function driveName(folder: string): Promise<string> {
  const { dev } = await stat(folder);
  // How Linux packs the two numbers of a device into one.
  const major = ((dev >>> 8) & 0xfff) | 0;
  const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00);
  const device = await realpath(`/sys/dev/block/${major}:${minor}`).catch(() => undefined);
  if (device === undefined) return `drive of ${folder}`;
  // A partition lies inside its drive.
  for (const place of [device, dirname(device)]) {
    const model = await readFile(join(place, 'device', 'model'), 'utf8').catch(() => '');
    if (model.trim() !== '') return model.trim();
  }
  return device.split('/').at(-1) ?? device;
}
