import {
  type ActivationProfile,
  type Engine,
  type FfnWeights,
  PipelineError,
  type PredictorSet,
} from '@thermocline/contracts';
import { openPredictorMath } from '@thermocline/engine-native';
import { type TrainOptions, trainPredictors } from '@thermocline/predictor';
import { type Corpus, cutWindows } from '@thermocline/profiler';
import { activationSource } from './activation-source.js';

/** Those of `@thermocline/predictor`, but for what the model and the corpus answer. */
export interface TrainPredictorsOptions
  extends Omit<TrainOptions, 'math' | 'weights' | 'windows' | 'heldOutWindows' | 'corpora'> {
  /** Tokens per window; default 512, or the model's context where that is shorter. */
  context?: number;
}

const DEFAULT_TOKENS = 131_072;

/** What `Model.trainPredictors` does. */
export async function trainOnCorpus(
  engine: Engine,
  corpus: Corpus,
  profile: ActivationProfile,
  { context, ...options }: TrainPredictorsOptions,
): Promise<PredictorSet> {
  const source = activationSource(engine);
  const tokens = options.tokens ?? DEFAULT_TOKENS;
  const math = await openPredictorMath({ threads: engine.info.threads });
  try {
    return await trainPredictors(source, profile, {
      ...options,
      tokens,
      math,
      weights: ffnWeights(engine),
      ...(context && { reading: { context } }),
      windows: () => cutWindows(source, corpus, { tokens, ...(context && { context }) }),
      corpora: corpus.sources.map(({ name, sha256 }) => ({ name, sha256, tokens: 0 })),
    });
  } finally {
    await math.close();
  }
}

function ffnWeights(engine: Engine): FfnWeights {
  if ('readFirstMatrix' in engine) return engine as Engine & FfnWeights;
  const reason = 'does not show its weights (FfnWeights of @thermocline/contracts)';
  throw new PipelineError('INVALID_ARGUMENT', `This engine ${reason}.`, {
    argument: 'engine',
    reason,
  });
}
