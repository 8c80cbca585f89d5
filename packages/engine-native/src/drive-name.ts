import { readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * What the drive under a folder is called: its model where the system knows it, else its block
 * device, else the source of the mount.
 *
 * @throws the system's error when the folder cannot be reached
 *
 * @example
 * console.log(await driveName('/models')); // Samsung SSD 990 PRO 2TB
 */
export async function driveName(folder: string): Promise<string> {
  const { dev } = await stat(folder);
  // How Linux packs the two numbers of a device into one.
  const major = (dev >>> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00);
  const device = await realpath(`/sys/dev/block/${major}:${minor}`).catch(() => undefined);
  if (device === undefined) return mountSource(`${major}:${minor}`);
  // A partition lies inside its drive.
  for (const place of [device, dirname(device)]) {
    const model = await readFile(join(place, 'device', 'model'), 'utf8').catch(() => '');
    if (model.trim() !== '') return model.trim();
  }
  return basename(device);
}

/** File systems over several devices have a number that belongs to none. */
async function mountSource(id: string): Promise<string> {
  const table = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  const line = table.split('\n').find((text) => text.split(' ')[2] === id);
  const [, source] = line?.split(' - ')[1]?.split(' ') ?? [];
  return source ?? 'unknown';
}
