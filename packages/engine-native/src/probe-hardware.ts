import { tmpdir, totalmem } from 'node:os';
import type { HardwareInfo, TierInfo } from '@thermocline/contracts';
import { native } from './binding.js';
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkOptions,
  checkSignal,
  checkString,
} from './check-arguments.js';
import { machineName } from './machine-name.js';
import { settle } from './native-call.js';
import { probeDrive } from './probe-drive.js';
import { probeGpu } from './probe-gpu.js';

const MIB = 2 ** 20;
/** How long the parts take beside each other, for the progress. */
const WEIGHTS = { memory: 1, gpu: 1, drive: 5 };

export interface ProbeOptions {
  /** What the machine is called in the result; default: its parts, see `machineName`. */
  name?: string;
  /** Threads that read memory together; default: the cores. */
  threads?: number;
  /** Memory to read through; default 1 GiB, at most a quarter of what is available. */
  bufferBytes?: number;
  /** Whether to look for a GPU and measure it; default true. */
  gpu?: boolean;
  /**
   * Whether processors that pose as GPUs (such as Mesa's llvmpipe) count as such, which is for
   * tests; default: whether `THERMOCLINE_VULKAN_CPU_DEVICES` is 1.
   */
  vulkanCpuDevices?: boolean;
  /** A folder on the drive to measure; default the system's temporary one, `null`: no drive. */
  driveFolder?: string | null;
  /** Size of the file that is written there; default 256 MiB. */
  driveFileBytes?: number;
  /** Hears how far it has come, 0 to 1. */
  onProgress?: (fraction: number) => void;
  /** Hears what could not be measured, and why. */
  onNotice?: (notice: string) => void;
  signal?: AbortSignal;
}

type Checked = ReturnType<typeof check>;

/**
 * Measures this machine's tiers: what they hold, how fast they read long runs and scattered
 * blocks, and what it costs to hand work over and have it back. Takes about eight seconds, most
 * of them for the drive; other programs that run meanwhile make the figures lower. A tier that is
 * absent or cannot be measured is left out, and `onNotice` hears why. Nothing is left on the drive.
 *
 * @throws PipelineError `ABORTED`, `OUT_OF_MEMORY`, `INVALID_ARGUMENT`, `NATIVE_BINARY_MISSING`
 *
 * @example
 * const { tiers } = await probeHardware({ driveFolder: null });
 * console.log(tiers.cpu.sequentialBytesPerSecond / 1e9, 'GB/s');
 */
export async function probeHardware(options: ProbeOptions = {}): Promise<HardwareInfo> {
  const checked = check(options);
  const { host, driveFolder, signal, onNotice } = checked;
  const [memoryPart, gpuPart, drivePart] = shareProgress(checked);
  const measure = { onNotice, signal };
  const cpu = await probeMemory(checked, memoryPart);
  const gpu = checked.gpu
    ? await probeGpu(checked.vulkanCpuDevices, { ...measure, onProgress: gpuPart })
    : null;
  const flash =
    driveFolder === null
      ? null
      : await probeDrive(driveFolder, checked.fileBytes, { ...measure, onProgress: drivePart });
  return {
    name: checked.name ?? machineName(host.cpuModel, host.cores, gpu?.device),
    cpu: {
      model: host.cpuModel,
      cores: host.cores,
      threads: host.threads,
      features: host.features,
    },
    tiers: { ...(gpu && { gpu }), cpu, ...(flash && { flash }) },
  };
}

function check(options: ProbeOptions) {
  checkOptions(options);
  const host = native().hostInfo();
  const quarter = Math.max(64 * MIB, Math.floor(host.availableBytes / 4));
  const {
    name,
    threads = host.cores,
    bufferBytes = Math.min(1024 * MIB, quarter),
    gpu = true,
    vulkanCpuDevices = process.env['THERMOCLINE_VULKAN_CPU_DEVICES'] === '1',
    driveFolder = tmpdir(),
    driveFileBytes = 256 * MIB,
    onProgress = () => undefined,
    onNotice = () => undefined,
  } = options;
  if (name !== undefined) checkString(name, 'name');
  if (driveFolder !== null) checkString(driveFolder, 'driveFolder');
  checkFunction(onProgress, 'onProgress');
  checkFunction(onNotice, 'onNotice');
  return {
    host,
    name,
    threads: checkInteger(threads, 'threads', 1, 1024),
    bufferBytes: checkInteger(bufferBytes, 'bufferBytes', 16 * MIB),
    gpu: checkBoolean(gpu, 'gpu'),
    vulkanCpuDevices: checkBoolean(vulkanCpuDevices, 'vulkanCpuDevices'),
    driveFolder,
    fileBytes: checkInteger(driveFileBytes, 'driveFileBytes', 16 * MIB),
    onProgress,
    onNotice,
    signal: checkSignal(options.signal),
  };
}

/** A progress for each part, which together make the whole. */
function shareProgress({ gpu, driveFolder, onProgress }: Checked) {
  const weights = [WEIGHTS.memory, gpu ? WEIGHTS.gpu : 0, driveFolder === null ? 0 : WEIGHTS.drive];
  const total = weights.reduce((sum, weight) => sum + weight);
  return weights.map((weight, part) => {
    const before = weights.slice(0, part).reduce((sum, other) => sum + other, 0);
    return (fraction: number) => onProgress((before + weight * fraction) / total);
  }) as [memory: Report, gpu: Report, drive: Report];
}
type Report = (fraction: number) => void;

async function probeMemory(
  { host, threads, bufferBytes, signal }: Checked,
  onProgress: Report,
): Promise<TierInfo> {
  const rates = await settle(() => native().probeMemory(threads, bufferBytes, onProgress), {
    argument: 'bufferBytes',
    signal,
  });
  return {
    device: 'system memory',
    capacityBytes: totalmem(),
    availableBytes: host.availableBytes,
    ...rates,
  };
}
