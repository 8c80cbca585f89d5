import { native } from './binding.js';
import { settle } from './native-call.js';

/** A device that a Vulkan driver of this machine offers. */
export interface GpuInfo {
  name: string;
  /** `cpu` is a processor that poses as a GPU, such as Mesa's llvmpipe. */
  type: 'discrete' | 'integrated' | 'virtual' | 'cpu' | 'other';
  /** As on the PCI bus. */
  vendorId: number;
  deviceId: number;
  /** Of the largest heap that is the device's own. */
  capacityBytes: number;
  /** What a program may still take of it; null where the driver does not say. */
  availableBytes: number | null;
  /** Why Thermocline cannot use it, or null. */
  unusable: string | null;
}

/**
 * The GPUs of this machine, in their drivers' order, without measuring anything.
 *
 * @throws PipelineError `IO_ERROR` with the reason when there is no Vulkan or no driver for it,
 *   `NATIVE_BINARY_MISSING`
 *
 * @example
 * for (const { name, capacityBytes } of await listGpus()) console.log(name, capacityBytes);
 */
export async function listGpus(): Promise<GpuInfo[]> {
  return settle(() => native().listGpus(), { path: 'Vulkan' });
}
