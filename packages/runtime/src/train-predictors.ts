import {
  type ActivationProfile,
  type CorpusSource,
  type Engine,
  type FfnWeights,
  PipelineError,
  type PredictorSet,
} from '@thermocline/contracts';
import { openPredictorMath } from '@thermocline/engine-native';
import { type TrainOptions, trainPredictors } from '@thermocline/predictor';
import { type Corpus, type CutOptions, cutWindows } from '@thermocline/profiler';
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
  const cut = { tokens, ...(context && { context }) };
  const math = await openPredictorMath({ threads: engine.info.threads });
  try {
    const set = await trainPredictors(source, profile, {
      ...options,
      tokens,
      math,
      weights: ffnWeights(engine),
      reading: { ...options.reading, ...(context && { context }), documents: corpus.settings },
      windows: () => cutWindows(source, corpus, cut),
      corpora: corpus.sources.map(({ name, sha256 }) => ({ name, sha256, tokens: 0 })),
    });
    return { ...set, corpora: await countTokens(engine, corpus, cut) };
  } finally {
    await math.close();
  }
}

/** How much of each text the windows hold. A call that went on may not have read them all itself. */
async function countTokens(
  engine: Engine,
  corpus: Corpus,
  cut: CutOptions,
): Promise<CorpusSource[]> {
  const taken = corpus.sources.map(() => 0);
  for await (const { source, tokens } of cutWindows(activationSource(engine), corpus, cut)) {
    taken[source] = (taken[source] as number) + tokens.length;
  }
  return corpus.sources.map(({ name, sha256 }, i) => ({
    name,
    sha256,
    tokens: taken[i] as number,
  }));
}

function ffnWeights(engine: Engine): FfnWeights {
  if ('readFirstMatrix' in engine) return engine as Engine & FfnWeights;
  const reason = 'does not show its weights (FfnWeights of @thermocline/contracts)';
  throw new PipelineError('INVALID_ARGUMENT', `This engine ${reason}.`, {
    argument: 'engine',
    reason,
  });
}
