import { statfs } from 'node:fs/promises';
import { isPipelineError, type TierInfo } from '@thermocline/contracts';
import { native } from './binding.js';
import { driveName } from './drive-name.js';
import { settle } from './native-call.js';

/** Who hears what of a part's measurement. */
export interface Listeners {
  onProgress: (fraction: number) => void;
  onNotice: (notice: string) => void;
  signal: AbortSignal | undefined;
}

/** The drive under a folder, or null with a notice when the folder's file system forbids it. */
export async function probeDrive(
  folder: string,
  fileBytes: number,
  { onProgress, onNotice, signal }: Listeners,
): Promise<TierInfo | null> {
  try {
    const rates = await settle(() => native().probeDrive(folder, fileBytes, onProgress), {
      path: folder,
      signal,
    });
    const { bsize, blocks, bavail } = await statfs(folder);
    return {
      device: await driveName(folder),
      capacityBytes: bsize * blocks,
      availableBytes: bsize * bavail,
      ...rates,
    };
  } catch (error) {
    if (!isPipelineError(error, 'IO_ERROR')) throw error;
    onNotice(`The drive was not measured: ${error.message}`);
    return null;
  }
}
