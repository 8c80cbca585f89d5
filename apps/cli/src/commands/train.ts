import {
  type ActivationProfile,
  isPipelineError,
  type PredictorSet,
  readActivationProfile,
} from '@thermocline/contracts';
import {
  type Corpus,
  heldOutTokens,
  type Model,
  measureLoss,
  parseCorpusInput,
  readCorpus,
  removeTrainingFolder,
  type TrainPredictorsOptions,
} from '@thermocline/runtime';
import { EXIT } from '../exit-codes.js';
import { formatShare } from '../format.js';
import { Interrupt } from '../interrupt.js';
import { lookThrough } from '../look-through.js';
import { openModel } from '../open-model.js';
import { outputPath } from '../output-file.js';
import { callerPath } from '../paths.js';
import { startProgress } from '../progress.js';
import { note } from '../terminal.js';
import { measurementNotes } from '../training/measurement-notes.js';
import { type TrainingFlags, trainOptions } from '../training/options.js';
import { pointsToMeasure } from '../training/points.js';
import { deliverPredictors } from '../training/result.js';
import { PHASES, TrainingLog } from '../training/training-log.js';
import { UsageError } from '../usage-error.js';

/** `thermocline train`: trains what predicts the neurons that fire, and measures what it loses. */
export async function train(path: string | undefined, flags: TrainingFlags): Promise<void> {
  using interrupt = new Interrupt();
  const { signal } = interrupt;
  const inputs = readInputs(flags);
  const profilePath = requireProfile(flags);
  const options = trainOptions(flags);
  const read = [profilePath, flags.test, path, ...inputs.map((input) => input.path)];
  const named = read.filter((file) => file !== undefined).map(callerPath);
  const output = await outputPath(flags.output, 'predictors', named);
  const folder = `${output}.partial`;

  const profile = await readActivationProfile(profilePath);
  await using corpus = await lookThrough(inputs, flags, signal);
  // Read now: a text that is not there is better missed before training than after.
  const test = flags.test === undefined ? undefined : await readCorpus(callerPath(flags.test));
  // What is asked of predictors here is asked of those to be made.
  const { recall: _r, sparsity: _s, ...modelFlags } = flags;
  await using model = await openModel(path, modelFlags, signal);
  const start = performance.now();
  let made: PredictorSet | undefined;
  try {
    made = await fit(model, corpus, profile, {
      ...options,
      checkpoint: {
        path: folder,
        restart: flags.restart ?? false,
        keepSamples: flags.keepSamples ?? false,
      },
      signal,
    });
    const set = await measure(
      model,
      made,
      test ?? (await heldOutText(model, corpus, flags)),
      flags,
      signal,
    );
    await deliverPredictors(output, set, flags.json, (performance.now() - start) / 1000);
    if (!flags.keepSamples) await removeTrainingFolder(folder);
  } catch (error) {
    if (!interrupt.requested || !isPipelineError(error, 'ABORTED')) throw error;
    note(made === undefined ? error.message : stoppedMeasuring(folder));
    process.exitCode = EXIT.interrupted;
  }
}

function stoppedMeasuring(folder: string): string {
  return `Stopped while the loss was measured: the predictors are kept in ${folder}; run the same command again to go on.`;
}

async function fit(
  model: Model,
  corpus: Corpus,
  profile: ActivationProfile,
  options: TrainPredictorsOptions,
): Promise<PredictorSet> {
  using progress = await startProgress('Training');
  const log = process.stderr.isTTY ? undefined : new TrainingLog(model.info.model.layers, note);
  return await model.trainPredictors(corpus, profile, {
    ...options,
    onNotice: (notice) => note(`note: ${notice}`),
    onLayer: (layer) => log?.layer(layer),
    onProgress: (done) => {
      log?.progress(done);
      const { phase, layer, fraction, loss } = done;
      const where = layer === undefined ? '' : ` layer ${layer}`;
      const lost = loss === undefined ? '' : `, loss ${loss.toFixed(4)}`;
      progress.update(fraction, 1, `${PHASES[phase]}${where}${lost}`);
    },
  });
}

/** Measures what the set loses, in the model it is for. */
async function measure(
  model: Model,
  made: PredictorSet,
  text: string | Int32Array,
  { testTokens, test }: TrainingFlags,
  signal: AbortSignal,
): Promise<PredictorSet> {
  using progress = await startProgress('Measuring the loss');
  if (!process.stderr.isTTY) note('measuring the loss');
  const set = await measureLoss(model, made, text, {
    points: pointsToMeasure(made),
    ...(testTokens !== undefined && { tokens: testTokens }),
    signal,
    onProgress: (fraction) => progress.update(fraction, 1, formatShare(fraction)),
  });
  const used = set.measured?.[0]?.tokens ?? 0;
  for (const line of measurementNotes(used, testTokens, test !== undefined)) note(`note: ${line}`);
  return set;
}

/** What training held out: the loss is measured on it where no text was named. */
function heldOutText(
  model: Model,
  corpus: Corpus,
  { tokens, window }: TrainingFlags,
): Promise<Int32Array> {
  return heldOutTokens(model, corpus, { tokens, ...(window !== undefined && { context: window }) });
}

function requireProfile({ profile }: TrainingFlags): string {
  if (profile !== undefined) return callerPath(profile);
  throw new UsageError(
    'Say what fires how often: --profile FILE, which `thermocline profile` makes of the same model.',
  );
}

function readInputs({ corpus = [] }: TrainingFlags) {
  if (corpus.length === 0) throw new UsageError('Say what to train on: --corpus FILE….');
  return corpus.map((spelling) => parseCorpusInput(spelling, callerPath('.')));
}
