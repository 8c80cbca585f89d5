import { isPipelineError, type TierInfo } from '@thermocline/contracts';
import { native } from './binding.js';
import { settle } from './native-call.js';
import type { Listeners } from './probe-drive.js';

/** The GPU, or null with a notice when there is none or Vulkan cannot use it. */
export async function probeGpu(
  cpuDevices: boolean,
  { onProgress, onNotice, signal }: Listeners,
): Promise<TierInfo | null> {
  try {
    const { gpu, ...rates } = await settle(() => native().probeGpu(cpuDevices, onProgress), {
      path: 'Vulkan',
      signal,
    });
    if (gpu.availableBytes === null) {
      onNotice(`${gpu.name} does not say how much of its memory is in use; all is taken as free`);
    }
    return {
      device: gpu.name,
      capacityBytes: gpu.capacityBytes,
      availableBytes: gpu.availableBytes ?? gpu.capacityBytes,
      // Kernels that gather scattered neurons are to be measured where they are: in the engine.
      random: [],
      ...rates,
    };
  } catch (error) {
    const ours = isPipelineError(error, 'IO_ERROR') || isPipelineError(error, 'OUT_OF_MEMORY');
    if (!ours) throw error;
    onNotice(`No GPU was measured: ${error.message}`);
    return null;
  }
}
