import {
  type ActivationProfile,
  type ActivationSource,
  hasExactZeros,
  PipelineError,
  type SumOptions,
} from '@thermocline/contracts';
import { type Checkpoint, keepProgress, readProgress } from './checkpoint.js';
import { chooseThreshold } from './choose-thresholds.js';
import type { Corpus } from './corpus.js';
import { type Companions, countWindows, type Pass } from './count-windows.js';
import type { ProfileOptions } from './profile-options.js';
import { type ProfileRun, planRun } from './profile-run.js';
import { type RunState, startPhase, tokensOf, toProfile } from './run-state.js';

/** Thresholds are chosen on the first windows that hold this many tokens, in every shard the same. */
const CALIBRATION_TOKENS = 16_384;

/** A group of windows should take this long, ms: much longer than a call, much shorter than a save. */
const GROUP_MS = 2_000;

/**
 * Counts how often each neuron of a model fires while it reads a corpus.
 *
 * The counts depend on nothing but model, corpus and options: not on threads, interruptions or
 * shards. With a checkpoint a call that was aborted or killed goes on where it was, and a call
 * after a finished one returns at once, until `removeCheckpoint` is called. Memory is bounded by
 * the size of the profile.
 *
 * @param source - the model, such as an opened engine
 * @param corpus - from `openCorpus` or `corpusOf`
 * @throws PipelineError `CORPUS_INVALID`, `CHECKPOINT_MISMATCH` for progress of other settings,
 * `ARTIFACT_CORRUPT` for damaged progress, `ABORTED` after saving it, `INVALID_ARGUMENT`; and what
 * source and corpus throw
 *
 * @example
 * const corpus = corpusOf(['Once upon a time there was a little girl.']);
 * const profile = await profileModel(engine, corpus, { tokens: 131_072 });
 * await writeActivationProfile('story.profile.safetensors', profile);
 */
export async function profileModel(
  source: ActivationSource,
  corpus: Corpus,
  options: ProfileOptions = {},
): Promise<ActivationProfile> {
  const run = planRun(source, corpus, options);
  const checkpoint = options.checkpoint && keepProgress(run, options.checkpoint);
  let state = options.checkpoint && (await readProgress(run, options.checkpoint));
  if (state && tokensOf(state) > 0) {
    const tokens = tokensOf(state).toLocaleString('en-US');
    const done = state.complete ? `all ${tokens} tokens` : `${tokens} tokens`;
    const phase = state.phase === 'calibrate' ? ', choosing thresholds' : '';
    options.onNotice?.(`Went on from the progress in ${checkpoint?.path}: ${done} read${phase}.`);
  }
  state ??= startPhase(run, run.sparsity === undefined ? 'count' : 'calibrate', run.thresholds);
  const everyMs = options.checkpoint?.everyMs ?? GROUP_MS;
  const companions = { ...options, checkpoint, groupMs: Math.min(GROUP_MS, everyMs) };
  try {
    // At once, so that a path that cannot be written is known before the work.
    await checkpoint?.save(state);
    if (state.phase === 'calibrate') state = await calibrate(run, state, companions, options);
    if (!state.complete) await count(run, state, companions, options);
    await checkpoint?.save(state);
  } catch (error) {
    throw await interrupted(error, state, checkpoint, options.signal);
  }
  return toProfile(run, state);
}

/** Reads the first windows and chooses a threshold for each layer. */
async function calibrate(
  run: ProfileRun,
  state: RunState,
  companions: Companions,
  { onNotice }: ProfileOptions,
): Promise<RunState> {
  const expected = Math.min(CALIBRATION_TOKENS, run.cut.tokens ?? CALIBRATION_TOKENS);
  const pass: Pass = { takes: () => true, enough: CALIBRATION_TOKENS, sum: {}, expected };
  await countWindows(run, state, pass, companions);
  const sparsity = run.sparsity as number;
  const thresholds = state.tally.layers.map(({ magnitudes }) => {
    if (magnitudes) return chooseThreshold(magnitudes, sparsity);
    const reason = 'are needed: the source gives no magnitudes to choose them by';
    throw new PipelineError('INVALID_ARGUMENT', `thresholds ${reason}.`, {
      argument: 'thresholds',
      reason,
    });
  });
  const { model } = run.source;
  const why = hasExactZeros(model)
    ? 'Asked for by its share'
    : `Activations of ${model.activation} models are hardly ever zero`;
  onNotice?.(
    `${why}: a neuron counts as firing above a magnitude chosen for each layer so that ${(100 * sparsity).toFixed(0)} % of the activations ` +
      `of the first ${tokensOf(state)} tokens lie below.`,
  );
  return startPhase(run, 'count', thresholds);
}

/** Counts the windows of this shard. */
async function count(
  run: ProfileRun,
  state: RunState,
  companions: Companions,
  { onNotice }: ProfileOptions,
): Promise<void> {
  const { shard, cut } = run;
  const { thresholds } = state;
  const sum: SumOptions = {
    ...(thresholds && { thresholds }),
    ...(run.coactivation && { sketch: { salt: run.salt } }),
  };
  const takes: Pass['takes'] = ({ index }) => index % shard.count === shard.index;
  const expected = cut.tokens && Math.round(cut.tokens / shard.count);
  const found = await countWindows(run, state, { takes, sum, expected }, companions);
  state.complete = true;
  companions.onProgress?.(tokensOf(state), tokensOf(state), 'count');
  if (cut.tokens !== undefined && found < cut.tokens) {
    const [had, budget] = [found, cut.tokens].map((tokens) => tokens.toLocaleString('en-US'));
    onNotice?.(`The corpus has ${had} tokens, fewer than the budget of ${budget}.`);
  }
}

/** Saves progress when something ended the work, and says how to go on when it was the caller. */
async function interrupted(
  error: unknown,
  state: RunState,
  checkpoint: Checkpoint | undefined,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  if (!signal?.aborted) {
    // What went wrong first is what the caller must know.
    await checkpoint?.save(state).catch(() => undefined);
    return error;
  }
  await checkpoint?.save(state);
  const reason = checkpoint
    ? `progress is kept in ${checkpoint.path}; run again to go on from there`
    : 'no progress was kept; give a checkpoint to be able to go on';
  const message = `Stopped after ${tokensOf(state)} tokens: ${reason}.`;
  return new PipelineError('ABORTED', message, { reason }, { cause: error });
}
