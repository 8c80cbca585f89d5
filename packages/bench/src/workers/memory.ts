import { probeHardware } from '@thermocline/runtime';

/** Bytes per second that these threads stream from memory. */
export async function measureMemory(threads: number): Promise<{ bytesPerSecond: number }> {
  const { tiers } = await probeHardware({ driveFolder: null, gpu: false, threads });
  return { bytesPerSecond: tiers.cpu.sequentialBytesPerSecond };
}
