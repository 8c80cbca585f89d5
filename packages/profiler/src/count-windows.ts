import { type ActivationSums, PipelineError, type SumOptions } from '@thermocline/contracts';
import type { Checkpoint } from './checkpoint.js';
import { cutWindows } from './cut-windows.js';
import type { CorpusWindow } from './domain-windows.js';
import type { ProfileOptions } from './profile-options.js';
import type { ProfileRun } from './profile-run.js';
import { type RunState, tokensOf } from './run-state.js';
import { addSums, addTally, emptyTally, type Tally } from './tally.js';

/** One way through the windows of a run. */
export interface Pass {
  /** Which windows are counted, of all that are cut. */
  takes(window: CorpusWindow): boolean;
  /** Ends the pass once this many tokens are counted. */
  enough?: number;
  sum: Omit<SumOptions, 'signal'>;
  /** Tokens it is expected to count. */
  expected: number | undefined;
}

/** What accompanies the work. */
export interface Companions extends Pick<ProfileOptions, 'onProgress' | 'signal'> {
  checkpoint: Checkpoint | undefined;
  /** Time a group of windows should take, ms. */
  groupMs: number;
}

/**
 * Counts the windows of a pass from where `state` stands, group by group, so that a signal,
 * progress and checkpoints have their turn. A group counts as a whole or not at all.
 *
 * @returns the tokens that were cut, counted or not
 */
export async function countWindows(
  run: ProfileRun,
  state: RunState,
  pass: Pass,
  { checkpoint, groupMs, onProgress, signal }: Companions,
): Promise<number> {
  const sum = { ...pass.sum, ...(signal && { signal }) };
  let [cut, group, groupTokens] = [0, [] as CorpusWindow[], 0];
  // Grows from one window to what can be read in the time.
  let target = 1;
  const count = async () => {
    const started = performance.now();
    addTally(state.tally, await sumGroup(run, group, sum));
    for (const { source, tokens } of group) {
      state.taken[source] = (state.taken[source] as number) + tokens.length;
    }
    state.next = (group.at(-1) as CorpusWindow).index + 1;
    target = nextTarget(groupTokens, performance.now() - started, groupMs);
    [group, groupTokens] = [[], 0];
    const done = tokensOf(state);
    onProgress?.(done, pass.expected && Math.max(done, pass.expected), state.phase);
    await checkpoint?.saveIfDue(state);
  };
  const skipped = state.taken.map(() => 0);
  const saved = [...state.taken];
  let left = (pass.enough ?? Number.POSITIVE_INFINITY) - tokensOf(state);
  for await (const window of cutWindows(run.source, run.corpus, run.cut)) {
    signal?.throwIfAborted();
    cut += window.tokens.length;
    if (!pass.takes(window)) continue;
    if (window.index < state.next) {
      skipped[window.source] = (skipped[window.source] as number) + window.tokens.length;
      continue;
    }
    requireSame(saved, skipped, checkpoint);
    if (left <= 0) break;
    group.push(window);
    groupTokens += window.tokens.length;
    left -= window.tokens.length;
    if (groupTokens >= target) await count();
  }
  if (cut === 0) throw emptyCorpus(run);
  requireSame(saved, skipped, checkpoint);
  if (group.length > 0) await count();
  return cut;
}

/** Sums a group, each domain for itself. */
async function sumGroup(
  run: ProfileRun,
  group: readonly CorpusWindow[],
  options: SumOptions,
): Promise<Tally> {
  const part = emptyTally(run.source.model, run.domains);
  for (const domain of new Set(group.map((window) => window.domain))) {
    const windows = group.filter((window) => window.domain === domain);
    const sums: ActivationSums = await run.source.sum(windows, options);
    addSums(part, domain, sums);
  }
  return part;
}

/** Tokens for the next group, after one that took `elapsedMs`; at most four times as many. */
function nextTarget(tokens: number, elapsedMs: number, groupMs: number): number {
  return tokens * Math.min(4, groupMs / Math.max(elapsedMs, 0.01));
}

/** What is passed over must be what was counted: the corpus may read differently today. */
function requireSame(
  saved: readonly number[],
  skipped: readonly number[],
  checkpoint: Checkpoint | undefined,
): void {
  const wrong = saved.findIndex((tokens, source) => tokens !== skipped[source]);
  if (wrong < 0) return;
  const path = checkpoint?.path ?? '';
  const reason = `counts ${saved[wrong]} tokens of source ${wrong}, where there are ${skipped[wrong]} now`;
  throw new PipelineError(
    'CHECKPOINT_MISMATCH',
    `${path}: the progress saved there ${reason}. Begin again with restart (--restart).`,
    { path, reason },
  );
}

function emptyCorpus({ corpus }: ProfileRun): PipelineError<'CORPUS_INVALID'> {
  const path = corpus.sources.map(({ name }) => name).join(', ');
  const reason = 'holds no tokens';
  return new PipelineError(
    'CORPUS_INVALID',
    `${path || 'The corpus'} ${reason}. Name texts or token ids to read.`,
    { path, reason },
  );
}
