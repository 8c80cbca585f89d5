import {
  type BenchmarkOptions,
  type Contender,
  commandPeer,
  type Decode,
  nodeLlamaCpp,
  serverPeer,
} from '@thermocline/bench';
import type { KvType, Mode } from '@thermocline/contracts';
import { callerPath } from '../paths.js';
import { UsageError } from '../usage-error.js';

/** The options of `thermocline bench`, as they are written. */
export interface BenchFlags {
  mode?: Mode[];
  threads?: number[];
  batch: number[];
  context: number[];
  busyCore?: number[] | true;
  promptTokens: number;
  generate: number;
  rounds: number;
  decode: Decode;
  kvType?: KvType;
  seed: number;
  predictors?: string;
  recall?: number;
  sparsity?: number;
  kernels?: string;
  plan?: string;
  peer?: string[];
  peerUrl?: string[];
  peerModel?: string;
  peerKeyEnv?: string;
  peerCommand?: string[];
  peerPattern?: string;
  roundOrder: 'alternating' | 'fixed';
  timeLimit: number;
  idleWait: number;
  output?: string;
  csv?: string;
  html?: string;
  svg?: string;
  json?: boolean;
}

/** What is to be measured, with paths as the caller meant them. */
export function benchmarkOptions(models: readonly string[], flags: BenchFlags): BenchmarkOptions {
  const { mode, threads, busyCore, predictors, plan, recall, sparsity, kernels, kvType } = flags;
  return {
    models: models.map(callerPath),
    grid: {
      batch: flags.batch,
      context: flags.context,
      ...(threads !== undefined && { threads }),
      ...(busyCore !== undefined && { busyCores: busyCore === true ? [1] : busyCore }),
    },
    promptTokens: flags.promptTokens,
    generate: flags.generate,
    rounds: flags.rounds,
    decode: flags.decode,
    seed: flags.seed,
    order: flags.roundOrder,
    timeLimitMs: flags.timeLimit * 1000,
    idleWaitMs: flags.idleWait * 1000,
    peers: peersOf(flags),
    ...(mode !== undefined && { modes: mode }),
    ...(kvType !== undefined && { kvType }),
    ...(predictors !== undefined && { predictors: callerPath(predictors) }),
    ...(plan !== undefined && { plan: callerPath(plan) }),
    ...(recall !== undefined && { recall }),
    ...(sparsity !== undefined && { sparsity }),
    ...(kernels !== undefined && { kernels }),
  };
}

/** The engines to measure beside this one, in the order the options have below. */
function peersOf(flags: BenchFlags): Contender[] {
  const { peer = [], peerUrl = [], peerCommand = [] } = flags;
  if (flags.peerPattern !== undefined && peerCommand.length === 0) {
    throw new UsageError('--peer-pattern reads the output of --peer-command: give both.');
  }
  if ((flags.peerModel ?? flags.peerKeyEnv) !== undefined && peerUrl.length === 0) {
    throw new UsageError('--peer-model and --peer-key-env are for --peer-url: give it as well.');
  }
  const key = keyOf(flags.peerKeyEnv);
  const server = {
    ...(flags.peerModel !== undefined && { model: flags.peerModel }),
    ...(key !== undefined && { key }),
  };
  return [
    ...peer.map(libraryPeer),
    ...peerUrl.map((url) => serverPeer(url, server)),
    ...peerCommand.map((template) => commandPeer(template, flags.peerPattern)),
  ];
}

function libraryPeer(spelling: string): Contender {
  const [name, ...folder] = spelling.split('=');
  if (name !== 'node-llama-cpp') {
    throw new UsageError(
      `--peer: there is no peer "${name}"; there is node-llama-cpp[=FOLDER]. Servers: --peer-url; programs: --peer-command.`,
    );
  }
  return nodeLlamaCpp(callerPath(folder.length > 0 ? folder.join('=') : '.'));
}

/** Keys come by the environment: what stands in a command line, others can read. */
function keyOf(variable: string | undefined): string | undefined {
  if (variable === undefined) return undefined;
  const key = process.env[variable];
  if (key) return key;
  throw new UsageError(`--peer-key-env: the variable ${variable} is not set.`);
}
