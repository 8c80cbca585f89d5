import { PipelineError } from '@thermocline/contracts';
import {
  type KernelBenchInfo,
  type KernelBenchOptions,
  type KernelBenchType,
  openKernelBench,
} from '@thermocline/runtime';
import { Bench } from 'tinybench';

/** One kernel in one setting, with the rates of its best pass and of its median one. */
export interface KernelFigure {
  kernel: string;
  type: string | null;
  tokens: number | null;
  threads: number;
  passes: number;
  /** Of a pass, in seconds. */
  seconds: { best: number; median: number };
  bytesPerSecond: number;
  operationsPerSecond: number;
  /** The rate that binds it over the best of its roof, measured right before; null for a roof. */
  roof: { kernel: string; rate: number; share: number } | null;
}

export interface KernelCase {
  info: KernelBenchInfo;
  type: KernelBenchType | null;
  tokens: number | null;
  threads: number;
}

export interface KernelSettings {
  kernels: string;
  workingSetBytes: number;
  passes: number;
  signal: AbortSignal;
}

/**
 * Measures a kernel and, right before it, its roof: the speed of memory changes from minute to
 * minute where other machines share it. A roof is measured alone. The best pass counts, because
 * other load only ever slows one down.
 */
export async function measureKernel(
  { info, type, tokens, threads }: KernelCase,
  roofs: readonly KernelBenchInfo[],
  settings: KernelSettings,
): Promise<KernelFigure> {
  const { kernels, workingSetBytes, passes } = settings;
  const common = { threads, kernels, workingSetBytes };
  const roof = roofs.find(({ name }) => name === roofOf(info, type, kernels));
  const top = roof && (await measure({ ...common, kernel: roof.name }, settings));
  const setting = { ...(type !== null && { type }), ...(tokens !== null && { tokens }) };
  const own = await measure({ ...common, ...setting, kernel: info.name }, settings);

  const rates = {
    bytesPerSecond: own.bytes / own.seconds.best,
    operationsPerSecond: own.operations / own.seconds.best,
  };
  const figure = {
    kernel: info.name,
    type,
    tokens,
    threads,
    passes,
    seconds: own.seconds,
    ...rates,
  };
  if (top === undefined || roof === undefined) return { ...figure, roof: null };
  const bound = info.roof === 'bytes' ? 'bytes' : 'operations';
  const rate = top[bound] / top.seconds.best;
  const share = own[bound] / own.seconds.best / rate;
  return { ...figure, roof: { kernel: roof.name, rate, share } };
}

/**
 * Products of quantised rows multiply bytes, one kernel set multiplies BF16 rows as they are; other
 * rows and sums over neurons multiply floats.
 */
function roofOf(
  info: KernelBenchInfo,
  type: KernelBenchType | null,
  kernels: string,
): string | undefined {
  if (info.roof === null) return undefined;
  if (info.roof === 'bytes') return 'read';
  if (info.name !== 'gemm') return 'multiply-floats';
  if (type === 'BF16' && kernels === 'avx512-bf16') return 'multiply-bf16';
  return type?.startsWith('Q') === true ? 'multiply-bytes' : 'multiply-floats';
}

/** What a pass does, and how long the best and the median one take. */
async function measure(options: KernelBenchOptions, { passes, signal }: KernelSettings) {
  await using probe = await openKernelBench(options);
  const { bytes, operations } = await probe.run();
  const bench = new Bench({
    iterations: passes,
    time: 0,
    warmup: false,
    throws: true,
    // One of its own: every bench would leave a listener on a signal that they share.
    signal: AbortSignal.any([signal]),
  });
  // Timed where it runs: a call through JavaScript would count as work.
  const pass = async () => ({ overriddenDuration: (await probe.run()).seconds * 1e3 });
  const [task] = await bench.add(options.kernel, pass).run();
  if (task?.result.state !== 'completed') throw abortedError(options.kernel);
  const { min, p50 } = task.result.latency;
  return { bytes, operations, seconds: { best: min / 1e3, median: p50 / 1e3 } };
}

function abortedError(kernel: string): PipelineError<'ABORTED'> {
  const reason = `the measurement of ${kernel} was aborted`;
  return new PipelineError('ABORTED', reason, { reason });
}
