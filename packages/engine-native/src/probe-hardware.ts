import { readFile, stat, statfs } from 'node:fs/promises';
import { tmpdir, totalmem } from 'node:os';
import type { HardwareInfo, TierInfo } from '@thermocline/contracts';
import { isPipelineError } from '@thermocline/contracts';
import { native } from './binding.js';
import {
  checkFunction,
  checkInteger,
  checkOptions,
  checkSignal,
  checkString,
} from './check-arguments.js';
import { settle } from './native-call.js';

const MIB = 2 ** 20;

export interface ProbeOptions {
  /** What the machine is called in the result; default `this-machine`. */
  name?: string;
  /** Threads that read together; default: the cores. */
  threads?: number;
  /** Memory to read through; default 512 MiB, at most a quarter of what is available. */
  bufferBytes?: number;
  /** A folder on the drive to measure; default the system's temporary one, `null`: no drive. */
  driveFolder?: string | null;
  /** Size of the file that is written there; default 256 MiB. */
  driveFileBytes?: number;
  /** Hears what could not be measured, and why. */
  onNotice?: (notice: string) => void;
  signal?: AbortSignal;
}

/**
 * Measures this machine's tiers: what they hold and how fast they read, and what it costs to hand
 * work to the threads and back. Takes a few seconds; other programs that run meanwhile make the
 * figures lower.
 *
 * @throws PipelineError `ABORTED`, `OUT_OF_MEMORY`, `INVALID_ARGUMENT`, `NATIVE_BINARY_MISSING`
 *
 * @example
 * const { tiers } = await probeHardware({ driveFolder: null });
 * console.log(tiers.cpu.sequentialBytesPerSecond / 1e9, 'GB/s');
 */
export async function probeHardware(options: ProbeOptions = {}): Promise<HardwareInfo> {
  checkOptions(options);
  const host = native().hostInfo();
  const name = checkString(options.name === undefined ? 'this-machine' : options.name, 'name');
  const threads = checkInteger(
    options.threads === undefined ? host.cores : options.threads,
    'threads',
    1,
    1024,
  );
  const quarter = Math.max(64 * MIB, Math.floor(host.availableBytes / 4));
  const bufferBytes = options.bufferBytes ?? Math.min(512 * MIB, quarter);
  checkInteger(bufferBytes, 'bufferBytes', 16 * MIB);
  const driveFolder = options.driveFolder === undefined ? tmpdir() : options.driveFolder;
  if (driveFolder !== null) checkString(driveFolder, 'driveFolder');
  const fileBytes = checkInteger(options.driveFileBytes ?? 256 * MIB, 'driveFileBytes', 16 * MIB);
  if (options.onNotice !== undefined) checkFunction(options.onNotice, 'onNotice');
  const signal = checkSignal(options.signal);

  const rates = await settle(() => native().probeMemory(threads, bufferBytes), {
    argument: 'bufferBytes',
    signal,
  });
  const cpu: TierInfo = {
    device: 'system memory',
    capacityBytes: totalmem(),
    availableBytes: host.availableBytes,
    ...rates,
  };
  const flash =
    driveFolder === null
      ? null
      : await probeDrive(driveFolder, fileBytes, options.onNotice, signal);
  return {
    name,
    cpu: {
      model: host.cpuModel,
      cores: host.cores,
      threads: host.threads,
      features: host.features,
    },
    tiers: { cpu, ...(flash && { flash }) },
  };
}

/** The drive under a folder, or null with a notice when the folder's file system forbids it. */
async function probeDrive(
  folder: string,
  fileBytes: number,
  onNotice: ((notice: string) => void) | undefined,
  signal: AbortSignal | undefined,
): Promise<TierInfo | null> {
  try {
    const rates = await settle(() => native().probeDrive(folder, fileBytes), {
      path: folder,
      signal,
    });
    const { bsize, blocks, bavail } = await statfs(folder);
    return {
      device: await deviceOf(folder),
      capacityBytes: bsize * blocks,
      availableBytes: bsize * bavail,
      ...rates,
    };
  } catch (error) {
    if (!isPipelineError(error, 'IO_ERROR')) throw error;
    onNotice?.(`The drive was not measured: ${error.message}`);
    return null;
  }
}

/** The device a folder lies on, as the system's table of mounts names it. */
async function deviceOf(folder: string): Promise<string> {
  try {
    const { dev } = await stat(folder);
    const id = `${Math.floor(dev / 256)}:${dev % 256}`;
    const table = await readFile('/proc/self/mountinfo', 'utf8');
    const line = table.split('\n').find((text) => text.split(' ')[2] === id);
    const [, source] = line?.split(' - ')[1]?.split(' ') ?? [];
    return source ?? 'unknown drive';
  } catch {
    return 'unknown drive';
  }
}
