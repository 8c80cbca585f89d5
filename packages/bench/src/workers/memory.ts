import { probeHardware } from '@thermocline/runtime';

// Far more than caches hold, and little enough to be measured between all cases.
const BUFFER_BYTES = 512 * 2 ** 20;

/** Bytes per second that these threads stream from memory. */
export async function measureMemory(threads: number): Promise<{ bytesPerSecond: number }> {
  const { tiers } = await probeHardware({
    driveFolder: null,
    gpu: false,
    bufferBytes: BUFFER_BYTES,
    threads,
  });
  return { bytesPerSecond: tiers.cpu.sequentialBytesPerSecond };
}
