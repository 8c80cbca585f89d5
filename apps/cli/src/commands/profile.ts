import { isPipelineError } from '@thermocline/contracts';
import {
  type Corpus,
  type Model,
  type ProfileOptions,
  parseCorpusInput,
  parseShard,
  removeCheckpoint,
  resolveMode,
  type ShardOfRun,
} from '@thermocline/runtime';
import { EXIT } from '../exit-codes.js';
import { Interrupt } from '../interrupt.js';
import { lookThrough } from '../look-through.js';
import { askedMode, type ModelOptions, openModel } from '../open-model.js';
import { outputPath } from '../output-file.js';
import { callerPath } from '../paths.js';
import { deliverProfile } from '../profiling/result.js';
import { startProgress } from '../progress.js';
import { RateMeter } from '../rate-meter.js';
import { note } from '../terminal.js';
import { UsageError } from '../usage-error.js';

export interface ProfileFlags extends ModelOptions {
  corpus?: string[];
  output?: string;
  tokens: number;
  shard?: string;
  seed: number;
  textKey?: string;
  sparsity?: number;
  coactivation: boolean;
  restart?: boolean;
  json?: boolean;
}

/** `thermocline profile`: counts which neurons fire while a model reads a corpus. */
export async function profile(path: string | undefined, flags: ProfileFlags): Promise<void> {
  using interrupt = new Interrupt();
  const inputs = readInputs(flags);
  const shard = readShard(flags.shard);
  const read = [...inputs.map((input) => input.path), ...(path === undefined ? [] : [path])];
  const output = await outputPath(flags.output, 'profile', read.map(callerPath));
  const checkpoint = `${output}.partial`;

  await using corpus = await lookThrough(inputs, flags, interrupt.signal);
  // `--context` is the length of the windows; the model keeps the context it was made for.
  const { context, ...modelOptions } = flags;
  await using model = await openModel(path, modelOptions, interrupt.signal);
  // Every mode fires the same neurons; one that the model cannot run in is refused all the same.
  resolveMode(model.info, askedMode(flags).mode);
  const meter = new RateMeter();
  try {
    const made = await count(model, corpus, meter, {
      tokens: flags.tokens,
      coactivation: flags.coactivation,
      checkpoint: { path: checkpoint, restart: flags.restart ?? false },
      signal: interrupt.signal,
      ...(shard && { shard }),
      ...(context !== undefined && { context }),
      ...(flags.sparsity !== undefined && { sparsity: flags.sparsity }),
    });
    const figures = { tokens_per_second: meter.perSecond, shard: shard ?? null };
    await deliverProfile(output, made, flags.json, figures);
    await removeCheckpoint(checkpoint);
  } catch (error) {
    if (!interrupt.requested || !isPipelineError(error, 'ABORTED')) throw error;
    note(error.message);
    process.exitCode = EXIT.interrupted;
  }
}

async function count(
  model: Model,
  corpus: Corpus,
  meter: RateMeter,
  options: ProfileOptions,
): Promise<Awaited<ReturnType<Model['profile']>>> {
  using progress = await startProgress('Profiling');
  return await model.profile(corpus, {
    ...options,
    onNotice: (notice) => note(`note: ${notice}`),
    onProgress: (done, total, phase) => {
      if (phase === 'count') meter.update(done);
      const detail = phase === 'count' ? meter.describe(total) : 'choosing thresholds';
      progress.update(done, total ?? done, detail);
    },
  });
}

type Inputs = ReturnType<typeof parseCorpusInput>[];

function readInputs({ corpus = [] }: ProfileFlags): Inputs {
  if (corpus.length === 0) throw new UsageError('Say what the model shall read: --corpus FILE….');
  return corpus.map((spelling) => parseCorpusInput(spelling, callerPath('.')));
}

/** The part of the run this process does. Schedulers tell the index, but only where it is asked for. */
function readShard(text: string | undefined): ShardOfRun | undefined {
  if (text !== undefined) return parseShard(text);
  const { JOB_COMPLETION_INDEX: kubernetes, SLURM_ARRAY_TASK_ID: slurm } = process.env;
  if (kubernetes || slurm) {
    note(
      'note: this is one of several tasks, and reads everything: --shard auto/N divides the work.',
    );
  }
  return undefined;
}
