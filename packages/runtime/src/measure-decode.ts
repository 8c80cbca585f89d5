import { isPipelineError, type Mode, type Session, type StepStats } from '@thermocline/contracts';
import type { Model } from './model.js';
import { median } from './statistics.js';
import { addStats, noStats } from './step-stats.js';

const MAX_PROMPT = 64;
const MIN_ROUNDS = 3;
const MAX_ROUNDS = 7;
// Rounds beyond the least number are for models that are fast enough for them.
const ENOUGH_MS = 3000;

/** How fast a mode reads on, token by token, as it would when it generates. */
export interface DecodeSpeed {
  /** Median of the rounds. */
  tokensPerSecond: number;
  /** Of each round, in the order they were run. */
  rounds: number[];
  /** Sums over all rounds. */
  stats: StepStats;
}

export interface DecodeOptions {
  /** Tokens each mode reads one by one in a round; default 32. */
  decodeTokens?: number;
  signal?: AbortSignal;
}

/**
 * Times modes on the same tokens of a text, in turns, so that what else the machine does falls on
 * all of them alike. The first round warms up and does not count. A mode is missing from the
 * result when the signal ended the measurement before all had a round, or the text is too short.
 *
 * @throws PipelineError `MODE_UNSUPPORTED`
 *
 * @example
 * const speeds = await measureDecode(model, ['dense', 'exact'], ids);
 * console.log(speeds.get('exact')?.tokensPerSecond);
 */
export async function measureDecode(
  model: Model,
  modes: readonly Mode[],
  ids: Int32Array,
  options: DecodeOptions = {},
): Promise<Map<Mode, DecodeSpeed>> {
  const { decodeTokens = 32, signal } = options;
  const room = Math.min(ids.length, model.info.context);
  const count = Math.min(decodeTokens, room >> 1);
  const prompt = ids.subarray(0, Math.min(MAX_PROMPT, room - count));
  const following = ids.subarray(prompt.length, prompt.length + count);
  if (count < 1) return new Map();
  return model.withSession(async (session) => {
    const rounds = new Map(modes.map((mode): [Mode, StepStats[]] => [mode, []]));
    const start = performance.now();
    try {
      for (let round = 0; round <= MAX_ROUNDS; round++) {
        if (round > MIN_ROUNDS && performance.now() - start > ENOUGH_MS * modes.length) break;
        for (const [mode, measured] of rounds) {
          const stats = await decodeOnce(session, mode, prompt, following, signal);
          if (round > 0) measured.push(stats);
        }
      }
    } catch (error) {
      if (!isPipelineError(error, 'ABORTED')) throw error;
    }
    const complete = [...rounds].filter(([, measured]) => measured.length > 0);
    return new Map(complete.map(([mode, measured]) => [mode, toSpeed(measured)]));
  });
}

/** What the tokens after the prompt cost, each in a step of its own. */
async function decodeOnce(
  session: Session,
  mode: Mode,
  prompt: Int32Array,
  following: Int32Array,
  signal: AbortSignal | undefined,
): Promise<StepStats> {
  const options = { mode, ...(signal && { signal }) };
  // Every round begins anew: in a lossy mode the timeline itself depends on the mode.
  await session.truncate(0);
  await session.evaluate(prompt, { ...options, logits: 'none' });
  let sum: StepStats | undefined;
  for (const token of following) {
    const { stats } = await session.evaluate([token], { ...options, logits: 'last' });
    sum ??= noStats(stats.neurons.length);
    addStats(sum, stats);
  }
  return sum as StepStats;
}

function toSpeed(measured: readonly StepStats[]): DecodeSpeed {
  const rounds = measured.map(({ tokens, timeMs }) => (1000 * tokens) / timeMs);
  const stats = noStats(measured[0]?.neurons.length ?? 0);
  for (const one of measured) addStats(stats, one);
  return { tokensPerSecond: median(rounds), rounds, stats };
}
