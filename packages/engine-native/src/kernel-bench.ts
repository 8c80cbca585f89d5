import { type KernelProbeHandle, native } from './binding.js';
import { checkInteger, checkOneOf, checkOptions, checkString } from './check-arguments.js';
import { hostInfo } from './host-info.js';
import { settle } from './native-call.js';

const MIB = 2 ** 20;
const DEFAULT_WORKING_SET = 256 * MIB;

/** Weight types that kernels are measured with. */
export const KERNEL_BENCH_TYPES = [
  'F32',
  'F16',
  'BF16',
  'Q8_0',
  'Q4_0',
  'Q4_K',
  'Q5_K',
  'Q6_K',
] as const;
export type KernelBenchType = (typeof KERNEL_BENCH_TYPES)[number];

/** A kernel that can be measured, or a roof it is measured against. */
export interface KernelBenchInfo {
  name: string;
  about: string;
  /** What binds it: bytes from memory or operations; null for a roof. */
  roof: 'bytes' | 'operations' | null;
  /** Whether it depends on the weight type, and on the number of tokens. */
  typed: boolean;
  batched: boolean;
}

export interface KernelBenchOptions {
  /** A name from `listKernelBenches`. */
  kernel: string;
  /** Default: F32. Keys and values are F16 or F32. */
  type?: KernelBenchType;
  /** Tokens that pass together; of `attention`: queries, up to 12. Default: 1. */
  tokens?: number;
  /** Default: the cores. */
  threads?: number;
  /** A kernel set's name. Default: the best one. */
  kernels?: string;
  /** Memory to read in a pass, far more than the caches hold. Default: 256 MiB. */
  workingSetBytes?: number;
}

/** What one pass over the working set did; a multiplication and an addition are two operations. */
export interface KernelPass {
  bytes: number;
  operations: number;
  seconds: number;
}

/** The kernels that can be measured here, roofs first. */
export function listKernelBenches(): KernelBenchInfo[] {
  return native().listKernelProbes();
}

/** One kernel and its working set. Opened by `openKernelBench`. */
export class KernelBench {
  readonly #handle: KernelProbeHandle;
  #closed = false;

  /** For `openKernelBench`. */
  constructor(handle: KernelProbeHandle) {
    this.#handle = handle;
  }

  /**
   * One pass over the working set. Passes of one object wait for one another.
   *
   * @throws PipelineError `CLOSED`
   *
   * @example
   * const { bytes, seconds } = await bench.run();
   */
  run(): Promise<KernelPass> {
    return settle(() => native().runKernelProbe(this.#handle), { what: 'kernel bench' });
  }

  /** Frees memory and threads, when the pass in flight has ended. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    native().closeKernelProbe(this.#handle);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Prepares a kernel of the engine for being measured by itself: memory filled with weights, inputs
 * and threads.
 *
 * @throws PipelineError `INVALID_ARGUMENT`, `OUT_OF_MEMORY`, `NATIVE_BINARY_MISSING`
 *
 * @example
 * await using bench = await openKernelBench({ kernel: 'rows', type: 'Q4_0', threads: 2 });
 * const { bytes, seconds } = await bench.run();
 * console.log(bytes / seconds / 1e9, 'GB/s');
 */
export async function openKernelBench(options: KernelBenchOptions): Promise<KernelBench> {
  checkOptions(options);
  const raw = {
    kernel: checkOneOf(
      options.kernel,
      'kernel',
      listKernelBenches().map(({ name }) => name),
    ),
    type: checkOneOf(options.type ?? 'F32', 'type', KERNEL_BENCH_TYPES),
    tokens: checkInteger(options.tokens ?? 1, 'tokens', 1, 4096),
    threads: checkInteger(options.threads ?? hostInfo().cpu.cores, 'threads', 1, 1024),
    kernels: checkString(options.kernels ?? 'auto', 'kernels'),
    workingSetBytes: checkInteger(
      options.workingSetBytes ?? DEFAULT_WORKING_SET,
      'workingSetBytes',
      MIB,
      2 ** 40,
    ),
  };
  return new KernelBench(
    await settle(() => native().openKernelProbe(raw), { argument: 'options' }),
  );
}
