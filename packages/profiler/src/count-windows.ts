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
  companions: Companions,
): Promise<number> {
  const { checkpoint, groupMs, onProgress, signal } = companions;
  const sum = { ...pass.sum, ...(signal && { signal }) };
  const seen = { tokens: 0 };
  let [group, tokens] = [[] as CorpusWindow[], 0];
  // Grows from one window to what can be read in the time.
  let target = 1;
  const count = async () => {
    const started = performance.now();
    addTally(state.tally, await sumGroup(run, group, sum));
    for (const window of group) addAt(state.taken, window.source, window.tokens.length);
    state.next = (group.at(-1) as CorpusWindow).index + 1;
    target = nextTarget(tokens, performance.now() - started, groupMs);
    [group, tokens] = [[], 0];
    const done = tokensOf(state);
    onProgress?.(done, pass.expected && Math.max(done, pass.expected), state.phase);
    await checkpoint?.saveIfDue(state);
  };
  for await (const window of windowsLeft(run, state, pass, companions, seen)) {
    group.push(window);
    tokens += window.tokens.length;
    if (tokens >= target) await count();
  }
  if (group.length > 0) await count();
  if (seen.tokens === 0) throw emptyCorpus(run);
  return seen.tokens;
}

/** The windows of a pass that are not counted yet. Adds up in `seen` what is cut for that. */
async function* windowsLeft(
  run: ProfileRun,
  state: RunState,
  pass: Pass,
  { checkpoint, signal }: Companions,
  seen: { tokens: number },
): AsyncGenerator<CorpusWindow> {
  const { next, taken } = state;
  const saved = [...taken];
  const skipped = taken.map(() => 0);
  let left = (pass.enough ?? Number.POSITIVE_INFINITY) - tokensOf(state);
  let skips = next > 0;
  for await (const window of cutWindows(run.source, run.corpus, run.cut)) {
    signal?.throwIfAborted();
    const { length } = window.tokens;
    seen.tokens += length;
    if (!pass.takes(window)) continue;
    if (window.index < next) {
      addAt(skipped, window.source, length);
      continue;
    }
    if (skips) requireSame(saved, skipped, checkpoint?.path ?? '');
    skips = false;
    if (left <= 0) return;
    left -= length;
    yield window;
  }
  if (skips) requireSame(saved, skipped, checkpoint?.path ?? '');
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
function requireSame(saved: readonly number[], skipped: readonly number[], path: string): void {
  const wrong = saved.findIndex((tokens, source) => tokens !== skipped[source]);
  if (wrong < 0) return;
  const reason = `counts ${saved[wrong]} tokens of source ${wrong}, where there are ${skipped[wrong]} now`;
  throw new PipelineError(
    'CHECKPOINT_MISMATCH',
    `${path}: the progress saved there ${reason}. Begin again with restart (--restart).`,
    { path, reason },
  );
}

function addAt(numbers: number[], index: number, value: number): void {
  numbers[index] = (numbers[index] as number) + value;
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
