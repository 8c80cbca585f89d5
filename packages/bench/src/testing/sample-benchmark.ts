import type { Benchmark, BenchmarkCase, BenchmarkRound } from '../benchmark.js';
import { medians } from '../medians.js';

/** A round with nothing but a speed of decode. */
export function sampleRound(decode: number, round = 0): BenchmarkRound {
  return {
    round,
    other_load: 0,
    attempts: 1,
    load_ms: 20,
    load: null,
    prefill_tokens_per_second: [],
    first_token_ms: [],
    decode_tokens_per_second: [decode],
    ms_per_token: { p50: 1000 / decode, p99: 2000 / decode },
    inner_decode_tokens_per_second: [],
    peak_memory_bytes: 1e8,
    bytes_per_token: { total: 1e7, ffn: 8e6, predictors: 0 },
    computed_share: 1,
    ffn_bytes_per_second: null,
    beside_reading: { bytes_per_second: 1e10, share: decode / 1000, ffn_share: null },
  };
}

/** A run of one case with the given speeds of its rounds. */
export function sampleBenchmark(
  speeds: readonly number[],
  changes: Partial<BenchmarkCase> = {},
): Benchmark {
  const model = {
    file: 'sample.gguf',
    name: 'sample',
    fingerprint: 'f1',
    synthetic: false,
    arch: 'llama',
    parameters: 1000,
    bytes: 2000,
    weight_types: { ffn: 'F16' },
  };
  const rounds = speeds.map(sampleRound);
  return {
    format: 'thermocline.benchmark',
    version: 1,
    made_by: { tool: 'test', version: '1' },
    made_at: '2026-11-21T00:00:00.000Z',
    complete: true,
    machine: {
      name: 'm',
      processor: 'p',
      cores: 2,
      threads: 2,
      features: [],
      memory_bytes: 1e9,
      huge_pages: null,
      kernels: 'avx2',
      system: 'linux',
      node: 'v20',
      memory: [{ threads: 2, bytes_per_second: [1e10] }],
      peak_bytes_per_second: 1e10,
    },
    options: {
      prompt_tokens: 0,
      generate: 8,
      decode: 'forced',
      seed: 0,
      kv_type: 'f16',
      order: 'alternating',
      predictors: null,
      recall: null,
      sparsity: null,
      plan: null,
    },
    models: [model],
    cases: [
      {
        engine: 'thermocline',
        about: '',
        model: 0,
        mode: 'dense',
        threads: 1,
        batch: 1,
        context: 0,
        busy_cores: 0,
        status: 'done',
        reason: null,
        rounds,
        median: medians({ rounds, batch: 1 }, model),
        ...changes,
      },
    ],
  };
}
