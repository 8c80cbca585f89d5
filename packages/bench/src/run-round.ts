import { isPipelineError, type LoadInfo } from '@thermocline/contracts';
import type { BenchmarkRound } from './benchmark.js';
import type { Job } from './plan-jobs.js';
import type { FreshOptions, FreshRun } from './process/run-fresh.js';
import { TimeLimitError } from './process/run-program.js';
import type { Measurement } from './workload.js';

/**
 * Measures a case once, in a process of its own. What goes wrong is noted in the case, which is
 * then left alone: what crashed or stalled once would do so again, at the cost of all others.
 *
 * @throws PipelineError `ABORTED`
 */
export async function runRound(job: Job, round: number, options: FreshOptions): Promise<void> {
  const { contender, work, busyCores, result } = job;
  if (result.status !== 'done') return;
  try {
    const run = await contender.measure(work, { ...options, busyCores });
    result.about = run.answer.about;
    result.rounds.push(toRound(round, run));
  } catch (error) {
    if (options.signal?.aborted || isPipelineError(error, 'ABORTED')) throw error;
    const late = error instanceof TimeLimitError || (error as Error).name === 'TimeoutError';
    result.status = late ? 'timed out' : 'failed';
    result.reason = late ? describeLimit(options) : (error as Error).message.slice(0, 2000);
  }
}

function describeLimit({ timeLimitMs = 0 }: FreshOptions): string {
  return `it did not end within ${timeLimitMs / 1000} s (--time-limit)`;
}

function toRound(
  round: number,
  { answer, otherLoad, attempts }: FreshRun<Measurement>,
): BenchmarkRound {
  return {
    round,
    other_load: otherLoad,
    attempts,
    load_ms: answer.loadMs,
    load: answer.load && toLoad(answer.load),
    prefill_tokens_per_second: answer.prefillTokensPerSecond,
    first_token_ms: answer.firstTokenMs,
    decode_tokens_per_second: answer.decodeTokensPerSecond,
    ms_per_token: answer.stepMs,
    inner_decode_tokens_per_second: answer.innerDecodeTokensPerSecond,
    peak_memory_bytes: answer.peakMemoryBytes,
    bytes_per_token: answer.bytesPerToken,
    computed_share: answer.computedShare,
    ffn_bytes_per_second: answer.ffnBytesPerSecond,
    beside_reading: answer.besideReading && {
      bytes_per_second: answer.besideReading.bytesPerSecond,
      share: answer.besideReading.share,
      ffn_share: answer.besideReading.ffnShare,
    },
  };
}

function toLoad({ fileBytes, seconds, cachedBytes, hugePageBytes, ...rest }: LoadInfo) {
  return {
    file_bytes: fileBytes,
    seconds,
    cached_bytes: cachedBytes,
    cache_fallback: rest.cacheFallback,
    staging_bytes: rest.stagingBytes,
    weight_bytes: rest.weightBytes,
    huge_page_bytes: hugePageBytes,
  };
}
