import type { Mode, PredictionAudit, StepStats } from '@thermocline/contracts';
import type { EvaluatedChunk } from './evaluate-chunks.js';
import { isLossy } from './is-lossy.js';
import { addAudit, noAudit, requireAudit } from './prediction-audit.js';
import { RunningMean } from './running-mean.js';
import { divergence, findPeak } from './score-logits.js';
import { addStats, noStats } from './step-stats.js';

/** What is summed up of one mode while reading. */
export interface ModeTally {
  mode: Mode;
  tokens: number;
  /** Sum over the tokens, added in their order. */
  nll: number;
  change: RunningMean;
  divergence: RunningMean;
  agreed: number;
  stats: StepStats;
  audit: PredictionAudit | null;
}

export function newTally(mode: Mode, layers: number): ModeTally {
  return {
    mode,
    tokens: 0,
    nll: 0,
    change: new RunningMean(),
    divergence: new RunningMean(),
    agreed: 0,
    stats: noStats(layers),
    audit: isLossy(mode) ? noAudit(layers) : null,
  };
}

/** Adds a chunk that all modes have read; the first of them is `dense`. */
export function scoreChunk(
  tallies: readonly ModeTally[],
  chunk: EvaluatedChunk,
  ids: Int32Array,
): void {
  const { start, end, evaluations } = chunk;
  for (const [lane, tally] of tallies.entries()) {
    const evaluation = evaluations[lane];
    if (evaluation === undefined) continue;
    addStats(tally.stats, evaluation.stats);
    if (tally.audit) addAudit(tally.audit, requireAudit(evaluation.audit, tally.mode));
  }
  for (let at = start; at < end; at++) {
    const target = ids[at + 1] as number;
    const rows = evaluations.map(({ logits }) => logits[at - start] as Float32Array);
    scoreToken(tallies, rows, target);
  }
}

/** The lanes' logits at one place; the first lane is `dense`. */
function scoreToken(
  tallies: readonly ModeTally[],
  rows: readonly Float32Array[],
  target: number,
): void {
  const reference = rows[0] as Float32Array;
  const peak = findPeak(reference);
  const nll = peak.logSum - (reference[target] as number);
  for (const [lane, tally] of tallies.entries()) {
    const logits = rows[lane] as Float32Array;
    const here = lane === 0 ? peak : findPeak(logits);
    const own = here.logSum - (logits[target] as number);
    tally.nll += own;
    tally.tokens++;
    if (lane === 0) continue;
    tally.change.add(own - nll);
    tally.divergence.add(divergence(reference, peak, logits, here));
    if (here.top === peak.top) tally.agreed++;
  }
}
