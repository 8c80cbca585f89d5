import type { PredictorBudget, TrainPredictorsOptions } from '@thermocline/runtime';
import type { ModelOptions } from '../open-model.js';
import { sizeOption } from '../size-option.js';
import { UsageError } from '../usage-error.js';

/** The options of `train`. `--recall` and `--sparsity` say what to train for. */
export interface TrainingFlags
  extends Omit<ModelOptions, 'mode' | 'maxLoss' | 'predictors' | 'context'> {
  profile?: string;
  corpus?: string[];
  output?: string;
  kind?: 'trained' | 'factorised' | 'signs' | 'gate';
  budget?: string;
  lookahead?: boolean;
  type?: 'f16' | 'q8_0' | 'q4_0';
  everyLayer?: boolean;
  tokens: number;
  window?: number;
  epochs?: number;
  seed: number;
  textKey?: string;
  test?: string;
  testTokens?: number;
  cache?: string;
  keepSamples?: boolean;
  restart?: boolean;
  json?: boolean;
}

const TYPES = { f16: 'F16', q8_0: 'Q8_0', q4_0: 'Q4_0' } as const;

/** The options of the command line as the trainer takes them. */
export function trainOptions(flags: TrainingFlags): TrainPredictorsOptions {
  const { kind, budget, lookahead, type, everyLayer, tokens, window, epochs, seed } = flags;
  const { recall, sparsity, cache } = flags;
  return {
    tokens,
    seed,
    ...(kind && { kind }),
    ...(budget !== undefined && { budget: parseBudget(budget) }),
    ...(lookahead !== undefined && { lookahead }),
    ...(type && { type: TYPES[type] }),
    ...(everyLayer !== undefined && { everyLayer }),
    ...(window !== undefined && { context: window }),
    ...(epochs !== undefined && { epochs }),
    ...(recall !== undefined && { recall }),
    ...(sparsity !== undefined && { sparsity }),
    ...(cache !== undefined && { cacheBytes: sizeOption('--cache', cache) }),
  };
}

/** `6%` or `0.06` of the model's weights, or a size such as `200MiB`. */
function parseBudget(text: string): PredictorBudget {
  const invalid = () =>
    new UsageError(
      `--budget: "${text}" is neither a size, such as 200MiB, nor a share of the model's weights above 0% and below 100%, such as 6%.`,
    );
  if (/[a-z]/i.test(text) && !text.includes('%')) {
    const bytes = sizeOption('--budget', text);
    if (bytes === 0) throw invalid();
    return { bytes };
  }
  const percent = /^(.+)%$/.exec(text.trim());
  const share = percent ? Number(percent[1]) / 100 : Number(text);
  if (!(share > 0 && share < 1)) throw invalid();
  return { share };
}
