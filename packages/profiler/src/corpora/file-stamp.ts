import type { FileHandle } from 'node:fs/promises';

/** What tells whether a file is still the one it was. */
export interface FileStamp {
  size: bigint;
  modifiedNs: bigint;
  inode: bigint;
  device: bigint;
}

export async function stampOf(file: FileHandle): Promise<FileStamp> {
  const { size, mtimeNs, ino, dev } = await file.stat({ bigint: true });
  return { size, modifiedNs: mtimeNs, inode: ino, device: dev };
}

export function sameStamp(a: FileStamp, b: FileStamp): boolean {
  return (
    a.size === b.size &&
    a.modifiedNs === b.modifiedNs &&
    a.inode === b.inode &&
    a.device === b.device
  );
}
