import type { KvType, Mode } from '@thermocline/contracts';
import type { SolveOptions } from '@thermocline/runtime';
import { sizeOption } from '../size-option.js';
import { note } from '../terminal.js';

/** What `solve` and `estimate` take alike. */
export interface PlacementOptions {
  hardware?: string;
  vram?: string;
  ram?: string;
  objective?: 'latency' | 'impact';
  mode?: Mode;
  context?: number;
  kvType?: KvType;
  overPrediction?: number;
  json?: boolean;
}

/** The options of the command line as the solver takes them. */
export function solveOptions(options: PlacementOptions): SolveOptions {
  const { vram, ram, objective, mode, context, kvType, overPrediction } = options;
  return {
    onNotice: (notice) => note(`note: ${notice}`),
    ...(vram !== undefined && { vramBudgetBytes: sizeOption('--vram', vram) }),
    ...(ram !== undefined && { ramBudgetBytes: sizeOption('--ram', ram) }),
    ...(objective !== undefined && { objective }),
    ...(mode !== undefined && { mode }),
    ...(context !== undefined && { contextTokens: context }),
    ...(kvType !== undefined && { kvType }),
    ...(overPrediction !== undefined && { overPrediction }),
  };
}
