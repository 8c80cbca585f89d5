import type { GenerateOptions } from '@thermocline/contracts';
import { askedMode, type ModelOptions } from './open-model.js';

/** The options of every command that generates. */
export interface SamplingFlags extends ModelOptions {
  maxTokens: number;
  temp: number;
  topK: number;
  topP: number;
  minP: number;
  repeatPenalty: number;
  seed: number;
  stop?: string[];
  ignoreEos?: boolean;
}

/** The same as the engine calls them. */
export function generateOptions(flags: SamplingFlags): GenerateOptions {
  return {
    maxTokens: flags.maxTokens,
    temperature: flags.temp,
    topK: flags.topK,
    topP: flags.topP,
    minP: flags.minP,
    repeatPenalty: flags.repeatPenalty,
    seed: flags.seed,
    ignoreEos: flags.ignoreEos ?? false,
    ...(flags.stop && { stop: flags.stop }),
    ...askedMode(flags),
  };
}
