import { readFile, stat } from 'node:fs/promises';
import {
  corrupt,
  fileError,
  MODES,
  PipelineError,
  writeFileAtomically,
} from '@thermocline/contracts';
import * as z from 'zod';
import { DECODES } from './workload.js';

/** How a file says what it is. */
export const BENCHMARK_FORMAT = 'thermocline.benchmark';
export const BENCHMARK_VERSION = 1;

const MAX_FILE_BYTES = 256 * 2 ** 20;
const text = z.string();
const count = z.number().int().nonnegative();
const rate = z.number().positive();
const ms = z.number().nonnegative();

const modelSchema = z.object({
  /** The file or folder, without where it lies. */
  file: text,
  name: text,
  fingerprint: text,
  /** Weights were made up: speed is real, text is noise. */
  synthetic: z.boolean(),
  arch: text,
  parameters: count.nullable(),
  bytes: count,
  weight_types: z.record(text, text),
});

const optionsSchema = z.object({
  prompt_tokens: count,
  generate: count,
  decode: z.enum(DECODES),
  seed: count,
  kv_type: z.enum(['f16', 'f32']),
  order: z.enum(['alternating', 'fixed']),
  predictors: text.nullable(),
  recall: z.number().nullable(),
  sparsity: z.number().nullable(),
  plan: text.nullable(),
});

/** Reading of the weights, apart from everything else that opening a model takes. */
const loadSchema = z.object({
  file_bytes: count,
  seconds: z.number().nonnegative(),
  /** Of them, those that the system's cache held already. */
  cached_bytes: count,
  /** Why reads could not go past that cache; `null`: they did. */
  cache_fallback: text.nullable(),
  staging_bytes: count,
  weight_bytes: count,
  huge_page_bytes: count.nullable(),
});

const roundSchema = z.object({
  round: count,
  /** Cores' worth of work that others did meanwhile. */
  other_load: z.number().nullable(),
  attempts: count,
  load_ms: ms.nullable(),
  load: loadSchema.nullable(),
  prefill_tokens_per_second: z.array(rate),
  first_token_ms: z.array(ms),
  decode_tokens_per_second: z.array(rate),
  /** Of all steps of the round. */
  ms_per_token: z.object({ p50: ms, p99: ms }).nullable(),
  inner_decode_tokens_per_second: z.array(rate),
  peak_memory_bytes: count.nullable(),
  bytes_per_token: z
    .object({
      total: z.number().nonnegative(),
      ffn: z.number().nonnegative(),
      predictors: z.number().nonnegative(),
    })
    .nullable(),
  computed_share: z.number().nullable(),
  /** What decode reads of the FFN's weights, over the time of just that. */
  ffn_bytes_per_second: rate.nullable(),
  /** Decode and plain reading in turn, step by step: what reading moved, and decode's share of it. */
  beside_reading: z
    .object({
      bytes_per_second: rate,
      share: z.number().nonnegative(),
      ffn_share: z.number().nonnegative().nullable(),
    })
    .nullable()
    .default(null),
});

const medianSchema = z.object({
  load_ms: ms.nullable(),
  load_bytes_per_second: rate.nullable(),
  prefill_tokens_per_second: rate.nullable(),
  first_token_ms: ms.nullable(),
  decode_tokens_per_second: rate.nullable(),
  decode_tokens_per_second_per_sequence: rate.nullable(),
  ms_per_token: z.object({ p50: ms, p99: ms }).nullable(),
  inner_decode_tokens_per_second: rate.nullable(),
  peak_memory_bytes: count.nullable(),
  bytes_per_token: z.number().nonnegative().nullable(),
  /** Where `bytes_per_token` was counted: by the engine, or by this one in mode dense. */
  bytes_counted_by: z.enum(['engine', 'thermocline dense']).nullable(),
  achieved_bytes_per_second: rate.nullable(),
  /** What decode reads over what plain reading moves in the same moments. */
  peak_share: z.number().nonnegative().nullable(),
  ffn_bytes_per_second: rate.nullable(),
  ffn_peak_share: z.number().nonnegative().nullable(),
});

const caseSchema = z.object({
  /** `thermocline` or a peer. */
  engine: text,
  /** Version and settings, as the engine tells. */
  about: text,
  /** Index into `models`. */
  model: count,
  mode: z.enum(MODES),
  threads: count.nullable(),
  batch: count,
  context: count,
  busy_cores: count,
  status: z.enum(['done', 'failed', 'timed out', 'skipped', 'stopped']),
  /** Why it is not done. */
  reason: text.nullable(),
  rounds: z.array(roundSchema),
  median: medianSchema,
});

const benchmarkSchema = z.object({
  format: z.literal(BENCHMARK_FORMAT),
  version: z.literal(BENCHMARK_VERSION),
  made_by: z.object({ tool: text, version: text }),
  made_at: text,
  /** Every case has all of its rounds, or says why not. */
  complete: z.boolean(),
  machine: z.object({
    name: text,
    processor: text,
    cores: count,
    threads: count,
    features: z.array(text),
    memory_bytes: count,
    huge_pages: text.nullable(),
    kernels: text,
    system: text,
    node: text,
    /** What plain reading moved at the start and at the end. */
    memory: z.array(z.object({ threads: count, bytes_per_second: z.array(rate) })),
    peak_bytes_per_second: rate.nullable(),
  }),
  options: optionsSchema,
  models: z.array(modelSchema),
  cases: z.array(caseSchema),
});

/** What a run of `thermocline bench` found, as its file has it. */
export type Benchmark = z.infer<typeof benchmarkSchema>;
export type BenchmarkCase = Benchmark['cases'][number];
export type BenchmarkModel = Benchmark['models'][number];
export type BenchmarkRound = BenchmarkCase['rounds'][number];
export type BenchmarkMedian = BenchmarkCase['median'];

/**
 * Reads a benchmark file.
 *
 * @throws PipelineError `FILE_NOT_FOUND`, `ARTIFACT_CORRUPT`, `ARTIFACT_FORMAT`,
 * `ARTIFACT_VERSION`
 *
 * @example
 * const { cases } = await readBenchmark('main.json');
 */
export async function readBenchmark(path: string): Promise<Benchmark> {
  let content: string;
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) throw corrupt(path, `${size} bytes is no benchmark`);
    content = await readFile(path, 'utf8');
  } catch (error) {
    throw fileError(path, error);
  }
  return parseBenchmark(path, content);
}

function parseBenchmark(path: string, content: string): Benchmark {
  const remedy = 'Write it anew with `thermocline bench -o FILE`';
  let json: { format?: unknown; version?: unknown } | null;
  try {
    json = JSON.parse(content) as typeof json;
  } catch (error) {
    throw corrupt(path, (error as Error).message, remedy);
  }
  const format = String(json?.format ?? 'none');
  if (format !== BENCHMARK_FORMAT) {
    const message = `${path}: this is no benchmark (format: ${format.slice(0, 60)}). ${remedy}.`;
    const details = { path, expected: BENCHMARK_FORMAT, found: format };
    throw new PipelineError('ARTIFACT_FORMAT', message, details);
  }
  const found = String(json?.version);
  if (json?.version !== BENCHMARK_VERSION) {
    const expected = String(BENCHMARK_VERSION);
    const message = `${path}: a benchmark of version ${found.slice(0, 20)}; this release reads version ${expected}.`;
    throw new PipelineError('ARTIFACT_VERSION', message, { path, expected, found });
  }
  const result = benchmarkSchema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw corrupt(path, `${issue?.path.map(String).join('.')}: ${issue?.message}`, remedy);
}

/** Writes a benchmark file, complete or not at all. */
export async function writeBenchmark(path: string, benchmark: Benchmark): Promise<void> {
  const content = `${JSON.stringify(benchmarkSchema.parse(benchmark), null, 1)}\n`;
  await writeFileAtomically(path, (append) => append(Buffer.from(content)));
}
