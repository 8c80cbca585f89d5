import type { Evaluation, Mode, Session, StepStats } from '@thermocline/contracts';
import type { Model } from '../model.js';
import { findPeak } from '../score-logits.js';
import { addStats, noStats } from '../step-stats.js';
import type { EncodedChoice } from './encode-choice.js';

// Logits of a step are held at once; this bounds them for large vocabularies.
const MAX_LOGIT_BYTES = 32 << 20;
const MAX_ROWS = 512;
// Each branch has a KV cache of its own.
const MAX_BRANCHES = 16;

/**
 * Scores choices in one mode, on a timeline of its own. What a context has in common with the one
 * before (examples, say) is not read again; choices behind the same context are read together.
 */
export class ChoiceScorer {
  readonly stats: StepStats;
  readonly #rows: number;

  private constructor(
    private readonly model: Model,
    readonly mode: Mode,
    private readonly session: Session,
  ) {
    const { layers, vocab } = model.info.model;
    this.stats = noStats(layers);
    this.#rows = Math.max(1, Math.min(MAX_ROWS, Math.floor(MAX_LOGIT_BYTES / (4 * vocab))));
  }

  /** @param room - tokens of the longest context and continuation together */
  static async open(model: Model, mode: Mode, room: number): Promise<ChoiceScorer> {
    return new ChoiceScorer(model, mode, await model.engine.createSession({ context: room }));
  }

  /**
   * The log-likelihood of each continuation after its context, nats.
   *
   * @throws PipelineError `ABORTED`, `OUT_OF_MEMORY`, `CLOSED`
   */
  async score(choices: readonly EncodedChoice[], signal?: AbortSignal): Promise<number[]> {
    const scores = new Array<number>(choices.length).fill(0);
    for (const group of groupByContext(choices)) {
      const [first] = group as [number];
      const logits = await this.#readContext((choices[first] as EncodedChoice).context, signal);
      const { logSum } = findPeak(logits);
      for (const i of group) {
        const { continuation } = choices[i] as EncodedChoice;
        scores[i] = (logits[continuation[0] as number] as number) - logSum;
      }
      const longer = group.filter((i) => (choices[i] as EncodedChoice).continuation.length > 1);
      for (let begin = 0; begin < longer.length; begin += MAX_BRANCHES) {
        const branches = longer.slice(begin, begin + MAX_BRANCHES);
        await this.#readContinuations(branches, choices, scores, signal);
      }
    }
    return scores;
  }

  close(): Promise<void> {
    return this.session.close();
  }

  /** The logits behind a context. */
  async #readContext(context: Int32Array, signal?: AbortSignal): Promise<Float32Array> {
    const { session } = this;
    // Its last token is read in any case: its logits are wanted.
    const kept = Math.min(commonLength(session.tokens(), context), context.length - 1);
    await session.truncate(kept);
    const evaluation = await session.evaluate(context.subarray(kept), {
      mode: this.mode,
      logits: 'last',
      ...(signal && { signal }),
    });
    addStats(this.stats, evaluation.stats);
    return evaluation.logits[0] as Float32Array;
  }

  /** Adds what follows the first tokens, each choice on a branch of the timeline. */
  async #readContinuations(
    group: readonly number[],
    choices: readonly EncodedChoice[],
    scores: number[],
    signal?: AbortSignal,
  ): Promise<void> {
    const branches: Branch[] = [];
    try {
      for (const i of group) {
        const { continuation } = choices[i] as EncodedChoice;
        branches.push({ index: i, continuation, read: 0, session: await this.session.fork() });
      }
      for (let step = this.#nextStep(branches); step.length > 0; step = this.#nextStep(branches)) {
        const evaluations = await this.#evaluate(step, signal);
        for (const [row, { branch, count }] of step.entries()) {
          const { logits } = evaluations[row] as Evaluation;
          scores[branch.index] = (scores[branch.index] as number) + foretold(branch, logits);
          branch.read += count;
        }
      }
    } finally {
      await Promise.all(branches.map(({ session }) => session.close()));
    }
  }

  /** As much of the branches as may be read at once. */
  #nextStep(branches: readonly Branch[]): StepPart[] {
    const parts: StepPart[] = [];
    let room = this.#rows;
    for (const branch of branches) {
      const count = Math.min(room, branch.continuation.length - 1 - branch.read);
      if (count > 0) parts.push({ branch, count });
      room -= count;
    }
    return parts;
  }

  async #evaluate(step: readonly StepPart[], signal?: AbortSignal): Promise<Evaluation[]> {
    const items = step.map(({ branch: { session, continuation, read }, count }) => ({
      session,
      tokens: continuation.subarray(read, read + count),
      logits: 'all' as const,
    }));
    const { mode } = this;
    const evaluations = await this.model.engine.step(items, { mode, ...(signal && { signal }) });
    for (const { stats } of evaluations) addStats(this.stats, stats);
    return evaluations;
  }
}

interface Branch {
  /** Which choice it reads. */
  index: number;
  continuation: Int32Array;
  /** Tokens read so far; the last is never read. */
  read: number;
  session: Session;
}

interface StepPart {
  branch: Branch;
  count: number;
}

/** Log-likelihood of the tokens that follow those just read. */
function foretold({ continuation, read }: Branch, logits: readonly Float32Array[]): number {
  let sum = 0;
  for (const [i, row] of logits.entries()) {
    sum += (row[continuation[read + i + 1] as number] as number) - findPeak(row).logSum;
  }
  return sum;
}

/** Indices of choices, those of equal contexts together. */
function groupByContext(choices: readonly EncodedChoice[]): number[][] {
  const groups: number[][] = [];
  for (const [i, { context }] of choices.entries()) {
    const same = groups.find(([first]) => {
      const other = (choices[first as number] as EncodedChoice).context;
      return other.length === context.length && commonLength(other, context) === context.length;
    });
    if (same === undefined) groups.push([i]);
    else same.push(i);
  }
  return groups;
}

function commonLength(a: Int32Array, b: Int32Array): number {
  const most = Math.min(a.length, b.length);
  for (let i = 0; i < most; i++) if (a[i] !== b[i]) return i;
  return most;
}
