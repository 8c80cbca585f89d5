import { readFile, stat } from 'node:fs/promises';
import * as z from 'zod';
import { writeFileAtomically } from './atomic-file.js';
import { PipelineError } from './errors.js';
import { corrupt, fileError } from './file-errors.js';
import { fromFileKeys, toFileKeys } from './json-keys.js';
import { describeIssue } from './model-info.js';

/** Memory a neuron can live in, fastest first. */
export const TIERS = ['gpu', 'cpu', 'flash'] as const;
export type Tier = (typeof TIERS)[number];

const MAX_FILE_BYTES = 1 << 20;
const bytes = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const rate = z.number().positive();

const tierSchema = z.object({
  /** The device, such as the GPU's or the drive's name. */
  device: z.string(),
  capacityBytes: bytes,
  /** Bytes of `capacityBytes` that nothing else uses now. */
  availableBytes: bytes,
  /** Reading long runs, bytes per second. */
  sequentialBytesPerSecond: rate,
  /**
   * Reading scattered blocks, bytes per second, by block size, smallest block first. On flash, by
   * how many reads are under way as well; without a depth it is the best of them.
   */
  random: z
    .array(
      z.object({
        blockBytes: bytes.positive(),
        bytesPerSecond: rate,
        queueDepth: z.number().int().positive().exactOptional(),
      }),
    )
    .max(256),
  /** Handing work over and having its result back, apart from the work itself; seconds. */
  syncSeconds: z.number().nonnegative(),
  /** Whether it was measured on huge pages; of memory. */
  hugePages: z.boolean().exactOptional(),
  /** Copying from system memory to it, bytes per second; of a GPU. */
  linkBytesPerSecond: rate.exactOptional(),
});

const hardwareSchema = z.object({
  /** The machine's name, such as `rtx-4090-pc`. */
  name: z.string().min(1).max(256),
  cpu: z.object({
    model: z.string(),
    /** Physical cores, and hardware threads. */
    cores: z.number().int().positive(),
    threads: z.number().int().positive(),
    /** Instruction sets the kernels ask about: `avx2`, `avx512-vnni`, `neon`, … */
    features: z.array(z.string()),
  }),
  /** The tiers this machine has. Without a GPU there is no `gpu`. */
  tiers: z.object({
    gpu: tierSchema.exactOptional(),
    cpu: tierSchema,
    flash: tierSchema.exactOptional(),
  }),
});

/** One tier of memory as measured. */
export type TierInfo = z.infer<typeof tierSchema>;

/** A machine as a solver sees it: what `thermocline probe --json` prints and `solve` reads. */
export type HardwareInfo = z.infer<typeof hardwareSchema>;

/** The JSON a `HardwareInfo` is written as: the same tree with keys in snake_case. */
export function hardwareInfoToJson(hardware: HardwareInfo): unknown {
  return toFileKeys(hardware);
}

/**
 * Reads a `HardwareInfo` from parsed JSON.
 *
 * @throws PipelineError `INVALID_ARGUMENT` naming the first field that is wrong
 */
export function parseHardwareInfo(json: unknown): HardwareInfo {
  const result = hardwareSchema.safeParse(fromFileKeys(json));
  if (result.success) return result.data;
  const reason = describeIssue(result.error);
  throw new PipelineError('INVALID_ARGUMENT', `Not a hardware description: ${reason}`, {
    argument: 'hardware',
    reason,
  });
}

/**
 * Reads a hardware file.
 *
 * @throws PipelineError `FILE_NOT_FOUND`, `ARTIFACT_CORRUPT`
 *
 * @example
 * const hardware = await readHardwareInfo('workstation.json');
 */
export async function readHardwareInfo(path: string): Promise<HardwareInfo> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) throw corrupt(path, `${size} bytes is no hardware description`);
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw fileError(path, error);
  }
  try {
    return parseHardwareInfo(JSON.parse(text));
  } catch (error) {
    const remedy = 'Write it anew with `thermocline probe -o FILE`';
    throw corrupt(path, (error as Error).message, remedy);
  }
}

/** Writes a hardware file, complete or not at all. */
export async function writeHardwareInfo(path: string, hardware: HardwareInfo): Promise<void> {
  const text = `${JSON.stringify(toFileKeys(parseHardwareInfo(toFileKeys(hardware))), null, 2)}\n`;
  await writeFileAtomically(path, async (write) => write(Buffer.from(text)));
}
