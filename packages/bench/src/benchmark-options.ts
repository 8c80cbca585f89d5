import type { KvType, Mode } from '@thermocline/contracts';
import type { Grid } from './cases.js';
import type { Contender } from './contender.js';
import type { Decode } from './workload.js';

export interface BenchmarkOptions {
  /** Paths of models; default: the demo model. */
  models?: readonly string[];
  /** Default: those that the model can run in. */
  modes?: readonly Mode[];
  /** What is combined; default: as many threads as cores, one sequence, nothing in the cache. */
  grid?: Partial<Grid>;
  /** Default 512. 0: no prefill is timed. */
  promptTokens?: number;
  /** Tokens to decode; default 128. 0: no decode is timed. */
  generate?: number;
  /** Processes per case; default 3. */
  rounds?: number;
  /** Default `forced`. */
  decode?: Decode;
  kvType?: KvType;
  seed?: number;
  predictors?: string;
  recall?: number;
  sparsity?: number;
  kernels?: string;
  plan?: string;
  peers?: readonly Contender[];
  /** Whoever goes first in one round goes last in the next (default), or always first. */
  order?: 'alternating' | 'fixed';
  /** Time limit of one process, ms; default 10 minutes. */
  timeLimitMs?: number;
  /** How long to wait for an idle machine before each process, ms; default 10,000. */
  idleWaitMs?: number;
  /** Short work is repeated for this long within a process, ms; default 500. */
  leastMs?: number;
  /** Who ran it, as the result says. */
  madeBy?: { tool: string; version: string };
  /** Called before each process, and at the end. */
  onProgress?: (done: number, total: number, what: string) => void;
  signal?: AbortSignal;
}

/** The options with what is left out filled in. */
export function withDefaults(options: BenchmarkOptions) {
  const { grid = {}, ...rest } = options;
  return {
    promptTokens: 512,
    generate: 128,
    rounds: 3,
    decode: 'forced' as Decode,
    kvType: 'f16' as KvType,
    seed: 0,
    peers: [] as readonly Contender[],
    order: 'alternating' as 'alternating' | 'fixed',
    timeLimitMs: 600_000,
    idleWaitMs: 10_000,
    leastMs: 500,
    madeBy: { tool: '@thermocline/bench', version: 'unknown' },
    ...rest,
    grid,
  };
}

export type CompleteOptions = ReturnType<typeof withDefaults>;
