import { invalidOption, MAX_SHARDS } from '@thermocline/contracts';

/** A part of a run: the windows i ≡ index mod count. */
export interface ShardOfRun {
  index: number;
  count: number;
}

/** Variables of the process, such as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads which part of a run this process is to do: `I/N` with 0 ≤ I < N, or `N` or `auto/N` with
 * the index from the scheduler, or `auto` where the scheduler says the number of tasks too.
 *
 * @throws PipelineError `INVALID_ARGUMENT`
 *
 * @example
 * parseShard('2/8'); // { index: 2, count: 8 }
 * parseShard('8', { JOB_COMPLETION_INDEX: '2' }); // the same, in an indexed Kubernetes job
 */
export function parseShard(text: string, env: Environment = process.env): ShardOfRun {
  const [, index, count] = /^(?:(\d{1,7}|auto)\/)?(\d{1,7}|auto)$/.exec(text.trim()) ?? [];
  if (count === undefined || (count === 'auto' && index !== undefined)) {
    throw invalidOption('shard', `must be I/N, N, auto/N or auto, not "${text}"`);
  }
  if (index === undefined || index === 'auto') return scheduledShard(count, env);
  return checkShard({ index: Number(index), count: Number(count) });
}

/**
 * What the scheduler says about this process: its index among the tasks of an indexed Kubernetes
 * job (`JOB_COMPLETION_INDEX`) or of a Slurm array (`SLURM_ARRAY_TASK_ID`, counted from
 * `…_TASK_MIN` in steps of `…_TASK_STEP`), and for Slurm their number too (`…_TASK_COUNT`).
 * `undefined` outside of both.
 *
 * @throws PipelineError `INVALID_ARGUMENT` for a variable that is no whole number
 *
 * @example
 * const { index, count } = shardFromEnvironment(process.env) ?? { index: 0, count: 1 };
 */
export function shardFromEnvironment(
  env: Environment,
): { index: number; count?: number } | undefined {
  const kubernetes = wholeNumber(env, 'JOB_COMPLETION_INDEX');
  if (kubernetes !== undefined) return { index: kubernetes };
  const id = wholeNumber(env, 'SLURM_ARRAY_TASK_ID');
  if (id === undefined) return undefined;
  const first = wholeNumber(env, 'SLURM_ARRAY_TASK_MIN') ?? 0;
  const step = wholeNumber(env, 'SLURM_ARRAY_TASK_STEP') || 1;
  const count = wholeNumber(env, 'SLURM_ARRAY_TASK_COUNT');
  const index = (id - first) / step;
  // An array such as 1,5,7 numbers its tasks, but not in a way that says which comes third.
  if (!Number.isSafeInteger(index) || index < 0 || (count !== undefined && index >= count)) {
    const array = `tasks ${id} of ${count ?? 'an unknown number'}, from ${first} in steps of ${step}`;
    throw invalidOption(
      'SLURM_ARRAY_TASK_ID',
      `gives no index (${array}); use an array without gaps, or give --shard I/N`,
    );
  }
  return { index, ...(count !== undefined && { count }) };
}

/** Refuses an index that is not below the count. */
export function checkShard({ index, count }: ShardOfRun): ShardOfRun {
  const whole = Number.isSafeInteger(index) && Number.isSafeInteger(count);
  if (whole && index >= 0 && index < count && count <= MAX_SHARDS) return { index, count };
  throw invalidOption('shard', `must be I/N with 0 ≤ I < N, not ${index}/${count}`);
}

function scheduledShard(text: string, env: Environment): ShardOfRun {
  const scheduled = shardFromEnvironment(env);
  if (scheduled === undefined) {
    const reason =
      'needs an index: neither JOB_COMPLETION_INDEX (Kubernetes) nor SLURM_ARRAY_TASK_ID (Slurm) is set; give it as I/N';
    throw invalidOption('shard', reason);
  }
  const count = text === 'auto' ? scheduled.count : Number(text);
  if (count === undefined) {
    throw invalidOption(
      'shard',
      'needs a number of shards, which Kubernetes does not tell; use auto/N',
    );
  }
  if (scheduled.count !== undefined && scheduled.count !== count) {
    // Two arrays of four tasks would otherwise both count the first four of eight shards.
    const reason = `says ${count} shards, but the Slurm array has ${scheduled.count} tasks; use auto, or give I/N`;
    throw invalidOption('shard', reason);
  }
  return checkShard({ index: scheduled.index, count });
}

function wholeNumber(env: Environment, name: string): number | undefined {
  const text = env[name];
  if (text === undefined || text === '') return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw invalidOption(name, `is set, but "${text}" is no whole number`);
}
