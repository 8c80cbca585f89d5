import { readFile, realpath, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

const FILE_SYSTEMS: Record<number, string> = {
  [0xef53]: 'ext4',
  [0x58465342]: 'xfs',
  [0x9123683e]: 'btrfs',
  [0x01021994]: 'tmpfs (in memory)',
  [0x794c7630]: 'overlay',
  [0x6969]: 'nfs',
};

export interface Drive {
  device: string;
  file_system: string;
  capacity_bytes: number;
  available_bytes: number;
}

/** The drive that holds a folder. */
export async function describeDrive(folder: string): Promise<Drive> {
  const { type, blocks, bavail, bsize } = await statfs(folder);
  return {
    device: await deviceName(folder),
    file_system: FILE_SYSTEMS[type] ?? `type 0x${type.toString(16)}`,
    capacity_bytes: blocks * bsize,
    available_bytes: bavail * bsize,
  };
}

/** The drive's model where Linux knows it, else its block device. */
async function deviceName(folder: string): Promise<string> {
  const { dev } = await stat(folder);
  // How Linux packs the two numbers of a device into one.
  const major = (dev >>> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00);
  const device = await realpath(`/sys/dev/block/${major}:${minor}`).catch(() => undefined);
  if (device === undefined) return 'unknown';
  // A partition lies inside its drive.
  for (const place of [device, dirname(device)]) {
    const model = await readFile(join(place, 'device', 'model'), 'utf8').catch(() => '');
    if (model.trim() !== '') return model.trim();
  }
  return basename(device);
}
