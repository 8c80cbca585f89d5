import { constants } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { PipelineError, type TierInfo } from '@thermocline/contracts';
import { driveName } from './drive-name.js';

const FILE_BYTES = 256 << 20;
const SEQUENTIAL_BLOCK = 1 << 20;
const RANDOM_BLOCKS = [4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10];
const MS_PER_MEASUREMENT = 300;
// As many as libuv's pool carries out at once; the command line asks for this many.
const DEPTH = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);
const PAGE = 4096;
const WASM_PAGE = 1 << 16;
// Memory of a WebAssembly program; TypeScript knows it only together with a browser.
declare const WebAssembly: {
  Memory: new (size: { initial: number; maximum: number }) => { buffer: ArrayBuffer };
};
// A file system in memory takes direct reads and answers at the speed of memory.
const TMPFS = 0x01021994;

export interface MeasureDriveOptions {
  /** Called with the fraction done, 0 to 1. */
  onProgress?: (fraction: number) => void;
  signal?: AbortSignal;
}

/**
 * Measures the drive that holds a folder: reading in long runs, and scattered blocks of several
 * sizes with many reads in flight. It writes a file of 256 MiB there, reads it past the system's
 * page cache, and removes it.
 *
 * @throws PipelineError `IO_ERROR` when the folder cannot be written to, has no room, or its
 * file system cannot be read past the page cache (memory would be measured then), `ABORTED`
 *
 * @example
 * const flash = await measureDrive('.');
 * console.log(flash.sequentialBytesPerSecond / 1e9, 'GB/s');
 */
export async function measureDrive(
  folder: string,
  options: MeasureDriveOptions = {},
): Promise<TierInfo> {
  const { type, blocks, bavail, bsize } = await statfs(folder).catch((error) =>
    refuse(folder, error),
  );
  if (type === TMPFS) throw failed(folder, cannotBypass);
  if (bavail * bsize < 2 * FILE_BYTES) {
    throw failed(folder, 'less than 512 MiB are free there. Name another folder with --drive');
  }
  const scratch = await mkdtemp(join(folder, '.thermocline-probe-')).catch((error) =>
    refuse(folder, error),
  );
  try {
    const path = join(scratch, 'data');
    await writeScratch(path, options);
    return {
      device: await driveName(folder),
      capacityBytes: blocks * bsize,
      availableBytes: bavail * bsize,
      ...(await readScratch(path, options)),
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function writeScratch(path: string, { onProgress, signal }: MeasureDriveOptions) {
  // Every block differs, because some drives store what repeats only once.
  const block = Buffer.alloc(SEQUENTIAL_BLOCK);
  let state = 1;
  const file = await open(path, 'wx');
  try {
    for (let written = 0; written < FILE_BYTES; written += block.length) {
      requireNotAborted(signal);
      for (let at = 0; at < block.length; at += 4) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        block.writeUInt32LE(state, at);
      }
      await file.write(block);
      onProgress?.((0.5 * written) / FILE_BYTES);
    }
    await file.datasync();
  } catch (error) {
    refuse(path, error);
  } finally {
    await file.close();
  }
}

async function readScratch(path: string, { onProgress, signal }: MeasureDriveOptions) {
  const file = await openDirect(path);
  try {
    const reader = new DirectReader(file, path, signal);
    let next = 0;
    const onward = () => (next++ * SEQUENTIAL_BLOCK) % FILE_BYTES;
    const sequentialBytesPerSecond = await reader.rate(SEQUENTIAL_BLOCK, DEPTH, onward);
    const random = [];
    for (const [index, blockBytes] of RANDOM_BLOCKS.entries()) {
      onProgress?.(0.5 + (0.5 * (index + 1)) / (RANDOM_BLOCKS.length + 2));
      const anywhere = () => Math.floor(Math.random() * (FILE_BYTES / blockBytes)) * blockBytes;
      random.push({ blockBytes, bytesPerSecond: await reader.rate(blockBytes, DEPTH, anywhere) });
    }
    const anyPage = () => Math.floor(Math.random() * (FILE_BYTES / PAGE)) * PAGE;
    const syncSeconds = PAGE / (await reader.rate(PAGE, 1, anyPage));
    onProgress?.(1);
    return { sequentialBytesPerSecond, random, syncSeconds };
  } finally {
    await file.close();
  }
}

async function openDirect(path: string): Promise<FileHandle> {
  if (constants.O_DIRECT === undefined) throw failed(path, cannotBypass);
  return open(path, constants.O_RDONLY | constants.O_DIRECT).catch(() => {
    throw failed(path, cannotBypass);
  });
}

const cannotBypass =
  'its files are in memory or cannot be read past the page cache, so memory would be measured. Name a folder on another drive with --drive';

/** Keeps reads in flight with buffers that direct reads accept. */
class DirectReader {
  readonly #buffers: Buffer[];

  constructor(
    private readonly file: FileHandle,
    private readonly path: string,
    private readonly signal: AbortSignal | undefined,
  ) {
    // Direct reads want buffers on page borders. An ArrayBuffer lies anywhere; the memory of a
    // WebAssembly program, of which this uses nothing else, begins a page.
    const pages = (DEPTH * SEQUENTIAL_BLOCK) / WASM_PAGE;
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.#buffers = Array.from({ length: DEPTH }, (_, lane) =>
      Buffer.from(buffer, lane * SEQUENTIAL_BLOCK, SEQUENTIAL_BLOCK),
    );
  }

  /** Bytes per second over some time, `depth` reads in flight. */
  async rate(blockBytes: number, depth: number, position: () => number): Promise<number> {
    const start = performance.now();
    let bytes = 0;
    const lane = async (buffer: Buffer) => {
      while (performance.now() - start < MS_PER_MEASUREMENT) {
        requireNotAborted(this.signal);
        const { bytesRead } = await this.file.read(buffer, 0, blockBytes, position());
        bytes += bytesRead;
      }
    };
    const lanes = this.#buffers.slice(0, depth).map(lane);
    await Promise.all(lanes).catch((error) => refuse(this.path, error));
    return bytes / ((performance.now() - start) / 1000);
  }
}

function requireNotAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new PipelineError('ABORTED', 'The measurement was stopped.', { reason: 'signal' });
  }
}

function refuse(path: string, error: unknown): never {
  if (error instanceof PipelineError) throw error;
  throw failed(path, (error as Error).message);
}

function failed(path: string, reason: string): PipelineError<'IO_ERROR'> {
  const message = `The drive of ${path} cannot be measured: ${reason}.`;
  return new PipelineError('IO_ERROR', message, { path, reason });
}
