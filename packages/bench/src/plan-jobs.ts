import { hostInfo } from '@thermocline/runtime';
import type { BenchmarkCase } from './benchmark.js';
import type { CompleteOptions } from './benchmark-options.js';
import { type CaseKey, expandCases, type Grid } from './cases.js';
import type { Contender } from './contender.js';
import { medians } from './medians.js';
import { thermocline } from './peers/thermocline.js';
import { modesOf, type Subject } from './subject.js';
import { neededContext, type Workload } from './workload.js';

/** A case that is to be measured, and where its results go. */
export interface Job {
  contender: Contender;
  work: Workload;
  busyCores: number;
  result: BenchmarkCase;
}

/** All cases of a run, in the order they are measured. What cannot be measured says why. */
export function planJobs(options: CompleteOptions, subjects: readonly Subject[]): Job[] {
  const grid: Grid = {
    threads: [hostInfo().cpu.cores],
    batch: [1],
    context: [0],
    busyCores: [0],
    ...options.grid,
  };
  const contenders = [thermocline, ...options.peers];
  return subjects.flatMap((subject, model) => {
    const modes = options.modes ?? modesOf(subject, options.predictors !== undefined);
    return expandCases(model, modes, grid, contenders).map(({ contender, ...key }) => {
      const work = workloadOf(options, subject, key, isFirst(key, grid));
      const result = emptyCase(contender.name, key, refusal(work, subject), subject);
      return { contender, work, busyCores: key.busyCores, result };
    });
  });
}

/** Prefill depends on neither batch nor context: it is timed with the first of them. */
function isFirst({ batch, context }: CaseKey, grid: Grid): boolean {
  return batch === grid.batch[0] && context === grid.context[0];
}

function workloadOf(
  options: CompleteOptions,
  { path, vocabulary }: Subject,
  { mode, threads, batch, context }: CaseKey,
  prefill: boolean,
): Workload {
  const { promptTokens, generate, decode, kvType, seed, leastMs } = options;
  const { predictors, recall, sparsity, kernels, plan } = options;
  const lossy = mode === 'predicted' || mode === 'threshold';
  return {
    model: path,
    vocabulary,
    mode,
    threads,
    batch,
    context,
    promptTokens: prefill ? promptTokens : 0,
    generate,
    decode,
    kvType,
    seed,
    leastMs,
    // Modes that use no predictors are measured without their memory.
    ...(lossy && predictors !== undefined && { predictors }),
    ...(lossy && recall !== undefined && { recall }),
    ...(lossy && sparsity !== undefined && { sparsity }),
    ...(kernels !== undefined && { kernels }),
    ...(plan !== undefined && { plan }),
  };
}

/** Why a case need not be tried; a peer may hold more than the model was made for, but not better. */
function refusal(work: Workload, { info }: Subject): string | null {
  const needed = neededContext(work);
  if (needed > info.context) {
    return `it takes ${needed} positions, and the model was made for ${info.context}: lower --prompt-tokens, --context or --generate`;
  }
  return work.promptTokens + work.generate > 0 ? null : 'there is nothing to measure';
}

function emptyCase(
  engine: string,
  { model, mode, threads, batch, context, busyCores }: CaseKey,
  reason: string | null,
  { described }: Subject,
): BenchmarkCase {
  return {
    engine,
    about: '',
    model,
    mode,
    threads,
    batch,
    context,
    busy_cores: busyCores,
    status: reason === null ? 'done' : 'skipped',
    reason,
    rounds: [],
    median: medians({ rounds: [], batch }, described),
  };
}
