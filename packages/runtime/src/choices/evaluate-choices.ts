import { isPipelineError, type Mode, PipelineError, type StepStats } from '@thermocline/contracts';
import { requireNamedLoss, resolveMode } from '../mode.js';
import type { Model } from '../model.js';
import { requireNotAborted } from '../require-not-aborted.js';
import { type NamedLoss, namedLoss } from '../use-predictors.js';
import { type ChoiceOutcome, type ChoiceScore, ChoiceTally, toOutcome } from './choice-figures.js';
import { ChoiceScorer } from './choice-scorer.js';
import { type ChoiceTask, choiceLengths, choiceTexts, unconditionalTexts } from './choice-task.js';
import { type EncodedChoice, encodeChoice } from './encode-choice.js';

export interface EvaluateChoicesOptions {
  /**
   * Modes to answer in; default: the model's own. With several, `dense` if it is among them, else
   * the first, is what the others are compared with.
   */
  modes?: readonly Mode[];
  /** At most so many tasks, from the first. */
  limit?: number;
  /** What stands between context and choice; one space by default. */
  delimiter?: string;
  /** Called with each task as it was answered. */
  onTask?: (result: ChoiceResult) => void;
  /** Called with tasks answered so far and in all. */
  onProgress?: (done: number, total: number) => void;
  /** Ends the evaluation; what was answered until then is the result, if there is anything. */
  signal?: AbortSignal;
}

/** One task and what each mode made of it. */
export interface ChoiceResult {
  /** Place among the tasks, from 0. */
  index: number;
  task: ChoiceTask;
  /** Tokens left out on the left, of each choice's context. */
  truncated: number[];
  outcomes: { mode: Mode; outcome: ChoiceOutcome }[];
}

export interface ChoiceEvaluation {
  /** Tasks answered. */
  tasks: number;
  /** Accuracy to be expected of chance. */
  chance: number;
  /** Tasks of which a context was cut on the left. */
  truncated: number;
  /** Tokens a context and its continuation may take. */
  context: number;
  /** Whether BOS was put before contexts, as the model file asks. */
  bos: boolean;
  aborted: boolean;
  /** The mode that the others are compared with comes first. */
  scores: (ChoiceScore & {
    stats: StepStats;
    /** What the mode is known to lose in perplexity; `null` where nothing is, or nothing was measured. */
    loss: NamedLoss | null;
  })[];
}

/**
 * Answers multiple-choice questions as EleutherAI's harness does: the choice with the highest
 * log-likelihood after the context (`accuracy`), or the highest per character of the choice
 * (`accuracyNorm`). All modes answer the same tasks in one run, so that they are compared task by
 * task. Contexts that are too long lose tokens on the left, and are counted. Mode `threshold` runs only
 * where its cost was measured, or beside `dense`, which measures it.
 *
 * @throws PipelineError `INVALID_ARGUMENT` naming the task, `CONTEXT_OVERFLOW`, `MODE_UNSUPPORTED`,
 * `OUT_OF_MEMORY`, `ABORTED`
 *
 * @example
 * const tasks = await readChoiceTasks('piqa.jsonl');
 * const { scores } = await evaluateChoices(model, tasks, { modes: ['dense', 'predicted'] });
 * for (const { mode, accuracy } of scores) console.log(mode, accuracy.mean);
 */
export async function evaluateChoices(
  model: Model,
  tasks: readonly ChoiceTask[],
  options: EvaluateChoicesOptions = {},
): Promise<ChoiceEvaluation> {
  const modes = orderModes(model, options.modes);
  const losses = modes.map((mode) => lossOf(model, mode, modes.includes('dense')));
  const encoded = await encodeTasks(model, tasks.slice(0, limitOf(options)), options);
  const tally = new ChoiceTally(modes);
  const lanes = await openLanes(model, modes, encoded);
  const sums = { tasks: 0, chance: 0, truncated: 0 };
  let aborted = false;
  try {
    for (const task of encoded) {
      const outcomes: ChoiceOutcome[] = [];
      for (const lane of lanes) outcomes.push(await answer(lane, task, options.signal));
      tally.add(task.task.answer, outcomes);
      sums.tasks += 1;
      sums.chance += 1 / task.task.choices.length;
      const truncated = task.choices.map((choice) => choice.truncated);
      if (truncated.some((tokens) => tokens > 0)) sums.truncated += 1;
      const named = outcomes.map((outcome, i) => ({ mode: modes[i] as Mode, outcome }));
      options.onTask?.({ index: sums.tasks - 1, task: task.task, truncated, outcomes: named });
      options.onProgress?.(sums.tasks, encoded.length);
    }
  } catch (error) {
    if (!isPipelineError(error, 'ABORTED') || sums.tasks === 0) throw error;
    aborted = true;
  } finally {
    await closeLanes(lanes);
  }
  const { info } = model;
  return {
    tasks: sums.tasks,
    chance: sums.chance / sums.tasks,
    truncated: sums.truncated,
    context: info.context,
    bos: info.addsBos && info.bos !== null,
    aborted,
    scores: tally.scores().map((score, i) => ({
      ...score,
      stats: (lanes[i] as Lane).scorer.stats,
      loss: losses[i] ?? null,
    })),
  };
}

interface EncodedTask {
  task: ChoiceTask;
  choices: EncodedChoice[];
  unconditional: EncodedChoice[] | null;
  lengths: number[];
}

/** A mode's timelines: one for the questions, one for what is scored without them. */
interface Lane {
  scorer: ChoiceScorer;
  unconditional: ChoiceScorer | null;
}

async function answer(
  { scorer, unconditional: other }: Lane,
  { choices, unconditional, lengths }: EncodedTask,
  signal: AbortSignal | undefined,
): Promise<ChoiceOutcome> {
  const without = unconditional && other ? await other.score(unconditional, signal) : null;
  return toOutcome(await scorer.score(choices, signal), without, lengths);
}

function orderModes({ info }: Model, asked: readonly Mode[] | undefined): Mode[] {
  const modes = [...new Set((asked ?? [info.defaultMode]).map((mode) => resolveMode(info, mode)))];
  if (modes.length === 0) throw invalid('modes', 'names no mode');
  return modes.sort((a, b) => Number(b === 'dense') - Number(a === 'dense'));
}

/** Beside `dense` what a mode costs is measured here; alone it has to be known. */
function lossOf(model: Model, mode: Mode, besideDense: boolean): NamedLoss | null {
  if (!besideDense || model.predictors === null) return requireNamedLoss(model, mode);
  return namedLoss(model.predictors, mode);
}

function limitOf({ limit = Number.POSITIVE_INFINITY }: EvaluateChoicesOptions): number {
  if (limit > 0 && (Number.isInteger(limit) || limit === Number.POSITIVE_INFINITY)) return limit;
  throw invalid('limit', `must be a whole number from 1 up, not ${limit}`);
}

async function encodeTasks(
  { engine, info }: Model,
  tasks: readonly ChoiceTask[],
  { delimiter = ' ', signal }: EvaluateChoicesOptions,
): Promise<EncodedTask[]> {
  if (tasks.length === 0) throw invalid('tasks', 'there are none');
  const encoded: EncodedTask[] = [];
  for (const [index, task] of tasks.entries()) {
    requireNotAborted(signal);
    checkTask(task, index);
    const encode = (texts: ReturnType<typeof choiceTexts>) =>
      Promise.all(texts.map((text) => encodeChoice(engine, text, info.context)));
    const without = unconditionalTexts(task, delimiter);
    encoded.push({
      task,
      choices: await encode(choiceTexts(task, delimiter)),
      unconditional: without && (await encode(without)),
      lengths: choiceLengths(task),
    });
  }
  return encoded;
}

function checkTask({ context, choices, continuation, answer, id }: ChoiceTask, index: number) {
  const here = (reason: string) => invalid('tasks', `task ${id ?? index}: ${reason}`);
  if (choices.length < 2) throw here('there are fewer than two choices');
  if (choices.includes('') || continuation === '') throw here('a choice is empty');
  if (typeof context !== 'string' && context.length !== choices.length) {
    throw here(`${context.length} contexts for ${choices.length} choices`);
  }
  if (!Number.isInteger(answer) || answer < 0 || answer >= choices.length) {
    throw here(`the answer is ${answer}, not from 0 to ${choices.length - 1}`);
  }
}

/** Opens timelines no longer than the longest task needs. */
async function openLanes(
  model: Model,
  modes: readonly Mode[],
  tasks: readonly EncodedTask[],
): Promise<Lane[]> {
  const longest = (choices: readonly (EncodedChoice[] | null)[]) =>
    choices.reduce(
      (most, list) =>
        (list ?? []).reduce(
          (m, c) => Math.max(m, c.context.length + c.continuation.length - 1),
          most,
        ),
      0,
    );
  const room = longest(tasks.map(({ choices }) => choices));
  const otherRoom = longest(tasks.map(({ unconditional }) => unconditional));
  const lanes: Lane[] = [];
  try {
    for (const mode of modes) {
      const lane: Lane = {
        scorer: await ChoiceScorer.open(model, mode, room),
        unconditional: null,
      };
      lanes.push(lane);
      if (otherRoom > 0) lane.unconditional = await ChoiceScorer.open(model, mode, otherRoom);
    }
    return lanes;
  } catch (error) {
    await closeLanes(lanes);
    throw error;
  }
}

async function closeLanes(lanes: readonly Lane[]): Promise<void> {
  for (const { scorer, unconditional } of lanes) {
    await scorer.close();
    await unconditional?.close();
  }
}

function invalid(argument: string, reason: string): PipelineError<'INVALID_ARGUMENT'> {
  return new PipelineError('INVALID_ARGUMENT', `${argument}: ${reason}.`, { argument, reason });
}
