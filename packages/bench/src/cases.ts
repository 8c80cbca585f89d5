import type { Mode } from '@thermocline/contracts';
import type { Contender, Dimension } from './contender.js';

/** What one case measures; with `engine` it is told from all others of a run. */
export interface CaseKey {
  model: number;
  mode: Mode;
  threads: number | null;
  batch: number;
  context: number;
  busyCores: number;
}

/** Values to combine. */
export interface Grid {
  threads: readonly number[];
  batch: readonly number[];
  context: readonly number[];
  busyCores: readonly number[];
}

/**
 * Every combination of a grid for one model, those side by side that are to be compared: engines
 * innermost. A contender is measured once where a dimension means nothing to it, and beside busy
 * cores only if it runs on this machine. Peers compute all there is, so their mode is `dense`.
 */
export function expandCases(
  model: number,
  modes: readonly Mode[],
  grid: Grid,
  contenders: readonly Contender[],
): (CaseKey & { contender: Contender })[] {
  const cases: (CaseKey & { contender: Contender })[] = [];
  for (const busyCores of grid.busyCores) {
    for (const [batchAt, batch] of grid.batch.entries()) {
      for (const [contextAt, context] of grid.context.entries()) {
        for (const [threadsAt, threads] of grid.threads.entries()) {
          for (const contender of contenders) {
            const idle = (name: Dimension, at: number) => !contender.takes.has(name) && at > 0;
            if (idle('threads', threadsAt) || idle('batch', batchAt)) continue;
            if (idle('context', contextAt) || (!contender.local && busyCores > 0)) continue;
            const own = contender.name === 'thermocline';
            for (const mode of own ? modes : (['dense'] as const)) {
              const told = contender.takes.has('threads') ? threads : null;
              cases.push({ contender, model, mode, threads: told, batch, context, busyCores });
            }
          }
        }
      }
    }
  }
  return cases;
}
