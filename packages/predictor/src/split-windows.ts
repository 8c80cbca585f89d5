import type { TokenWindow } from '@thermocline/contracts';
import type { Part, Progress } from './collect-progress.js';
import { HELD_OUT_EVERY, isHeldOut } from './held-out.js';
import type { SamplePass } from './plan-passes.js';
import type { TrainRun } from './train-run.js';

/** Windows that are not on disk yet, and what they are for. */
export async function* splitWindows(
  run: TrainRun,
  pass: SamplePass,
  progress: Progress,
): AsyncGenerator<{ part: Part; window: TokenWindow }> {
  const { heldOutWindows } = run.options;
  const skip = { train: progress.parts.train.windows, heldOut: progress.parts.heldOut.windows };
  const enough = heldOutWindows ? pass.tokens * (1 - 1 / HELD_OUT_EVERY) : pass.tokens;
  let index = 0;
  for await (const window of firstTokens(run.options.windows(), enough)) {
    const part = !heldOutWindows && isHeldOut(index++) ? 'heldOut' : 'train';
    if (skip[part]-- <= 0) yield { part, window };
  }
  if (!heldOutWindows) return;
  for await (const window of firstTokens(heldOutWindows(), pass.tokens / HELD_OUT_EVERY)) {
    if (skip.heldOut-- <= 0) yield { part: 'heldOut', window };
  }
}

async function* firstTokens(
  windows: Iterable<TokenWindow> | AsyncIterable<TokenWindow>,
  budget: number,
): AsyncGenerator<TokenWindow> {
  let left = Math.floor(budget);
  for await (const window of windows) {
    const { length } = window.tokens;
    if (length === 0) continue;
    yield length <= left ? window : { ...window, tokens: Array.from(window.tokens).slice(0, left) };
    left -= length;
    if (left <= 0) return;
  }
}
