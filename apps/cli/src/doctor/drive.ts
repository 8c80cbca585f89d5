import { statfs } from 'node:fs/promises';
import { driveName } from '@thermocline/runtime';

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
    device: await driveName(folder),
    file_system: FILE_SYSTEMS[type] ?? `type 0x${type.toString(16)}`,
    capacity_bytes: blocks * bsize,
    available_bytes: bavail * bsize,
  };
}
