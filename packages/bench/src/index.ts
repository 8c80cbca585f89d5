export {
  BENCHMARK_FORMAT,
  BENCHMARK_VERSION,
  type Benchmark,
  type BenchmarkCase,
  type BenchmarkMedian,
  type BenchmarkModel,
  type BenchmarkRound,
  readBenchmark,
  writeBenchmark,
} from './benchmark.js';
export type { BenchmarkOptions } from './benchmark-options.js';
export type { Grid } from './cases.js';
export {
  type BenchmarkComparison,
  type CompareOptions,
  type Comparison,
  compareBenchmarks,
  type Measure,
  type Verdict,
} from './compare-benchmarks.js';
export type { Contender, Dimension } from './contender.js';
export { commandPeer } from './peers/command.js';
export { nodeLlamaCpp } from './peers/node-llama-cpp.js';
export { type ServerOptions, serverPeer } from './peers/server.js';
export { keepCoresBusy } from './process/busy-cores.js';
export { waitForIdle } from './process/other-load.js';
export { type FreshOptions, type FreshRun, runFresh } from './process/run-fresh.js';
export { type Ratio, ratioInterval } from './ratio-interval.js';
export { runBenchmark } from './run-benchmark.js';
export { seededRandom, seededTokens, type Vocabulary } from './tokens.js';
export { DECODES, type Decode, type Measurement, type Workload } from './workload.js';
