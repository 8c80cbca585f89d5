import { basename } from 'node:path';
import { isPipelineError } from '@thermocline/contracts';
import {
  BENCHMARK_FORMAT,
  BENCHMARK_VERSION,
  type Benchmark,
  type BenchmarkModel,
} from './benchmark.js';
import { type BenchmarkOptions, type CompleteOptions, withDefaults } from './benchmark-options.js';
import { describeMachine, measureBandwidth } from './machine.js';
import { addBandwidth, medians } from './medians.js';
import { type Job, planJobs } from './plan-jobs.js';
import { runRound } from './run-round.js';
import { describeSubject, type Subject } from './subject.js';

/**
 * Measures models in every combination of modes and settings, beside peers. Each measurement is a
 * process of its own; the rounds go through all cases, there and back. Stopped by the signal, the
 * result has what there is and is not `complete`. What goes wrong in a case stands in that case.
 *
 * @throws PipelineError those of `inspectModel`
 *
 * @example
 * const peers = [nodeLlamaCpp('/opt/peers')];
 * const { cases } = await runBenchmark({ models: ['model.gguf'], peers });
 * console.log(cases.map(({ engine, median }) => [engine, median.decode_tokens_per_second]));
 */
export async function runBenchmark(given: BenchmarkOptions = {}): Promise<Benchmark> {
  const options = withDefaults(given);
  const subjects = await describeSubjects(given.models ?? []);
  const jobs = planJobs(options, subjects);
  const benchmark = beginBenchmark(options, subjects, jobs);
  benchmark.complete = await measureAll(options, jobs, benchmark);
  for (const { result } of jobs) {
    if (!benchmark.complete && result.status === 'done' && result.rounds.length < options.rounds) {
      result.status = 'stopped';
    }
    result.median = medians(result, benchmark.models[result.model] as BenchmarkModel);
  }
  addBandwidth(benchmark.cases);
  return benchmark;
}

function describeSubjects(models: readonly string[]): Promise<Subject[]> {
  if (models.length === 0) return Promise.all([describeSubject()]);
  return Promise.all(models.map((path) => describeSubject(path)));
}

/** @returns whether it came to its end */
async function measureAll(
  options: CompleteOptions,
  jobs: readonly Job[],
  { machine }: Benchmark,
): Promise<boolean> {
  const { rounds, order, onProgress = () => undefined } = options;
  const threads = [...new Set(jobs.flatMap(({ work }) => work.threads ?? []))];
  const total = 2 * threads.length + rounds * jobs.length;
  let done = 0;
  const step = async (what: string, work: () => Promise<void>) => {
    onProgress(done, total, what);
    await work();
    done += 1;
  };
  const bandwidth = async () => {
    for (const count of threads) {
      await step('memory bandwidth', () => measureBandwidth(machine, count, options));
    }
  };
  try {
    await bandwidth();
    for (let round = 0; round < rounds; round++) {
      const back = order === 'alternating' && round % 2 === 1;
      for (const job of back ? [...jobs].reverse() : jobs) {
        await step(describeJob(job, round), () => runRound(job, round, options));
      }
    }
    // Once more at the end: others may have used the memory at the start.
    await bandwidth();
    return true;
  } catch (error) {
    if (options.signal?.aborted && isStop(error)) return false;
    throw error;
  }
}

/** `fetch` and the like throw what they like when the signal fires. */
function isStop(error: unknown): boolean {
  return isPipelineError(error, 'ABORTED') || (error as Error).name === 'AbortError';
}

function describeJob({ result }: Job, round: number): string {
  const { engine, mode, threads, batch, context } = result;
  const parts = [engine, mode, ...(threads === null ? [] : [`${threads} threads`])];
  if (batch > 1) parts.push(`batch ${batch}`);
  if (context > 0) parts.push(`context ${context}`);
  return `round ${round + 1}: ${parts.join(', ')}`;
}

function beginBenchmark(
  options: CompleteOptions,
  subjects: readonly Subject[],
  jobs: readonly Job[],
): Benchmark {
  const { predictors, recall = null, sparsity = null, plan } = options;
  return {
    format: BENCHMARK_FORMAT,
    version: BENCHMARK_VERSION,
    made_by: options.madeBy,
    made_at: new Date().toISOString(),
    complete: false,
    machine: describeMachine(options.kernels),
    options: {
      prompt_tokens: options.promptTokens,
      generate: options.generate,
      decode: options.decode,
      seed: options.seed,
      kv_type: options.kvType,
      order: options.order,
      // Where files lie is nobody else's business.
      predictors: predictors === undefined ? null : basename(predictors),
      recall,
      sparsity,
      plan: plan === undefined ? null : basename(plan),
    },
    models: subjects.map(({ described }) => described),
    cases: jobs.map(({ result }) => result),
  };
}
