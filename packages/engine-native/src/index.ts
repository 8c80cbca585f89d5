export { driveName } from './drive-name.js';
export { type HostInfo, hostInfo, type KernelSet } from './host-info.js';
export { inspectModel, type ModelInspection } from './inspect-model.js';
export {
  KERNEL_BENCH_TYPES,
  KernelBench,
  type KernelBenchInfo,
  type KernelBenchOptions,
  type KernelBenchType,
  type KernelPass,
  listKernelBenches,
  openKernelBench,
} from './kernel-bench.js';
export { type GpuInfo, listGpus } from './list-gpus.js';
export { machineName } from './machine-name.js';
export { NativeEngine } from './native-engine.js';
export { NativeSession } from './native-session.js';
export { NativeTokenizer, type TokenizerInfo } from './native-tokenizer.js';
export { type OpenEngineOptions, openEngine } from './open-engine.js';
export { type OpenPredictorMathOptions, openPredictorMath } from './open-predictor-math.js';
export { openTokenizer } from './open-tokenizer.js';
export { NativePredictorMath } from './predictor-math.js';
export { type ProbeOptions, probeHardware } from './probe-hardware.js';
