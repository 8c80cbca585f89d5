import {
  type HardwareInfo,
  hasExactZeros,
  type KvType,
  MODES,
  type Mode,
  type ModelInfo,
  PipelineError,
  type Tier,
} from '@thermocline/contracts';
import type { SolveOptions } from './options.js';

const DEFAULT_CONTEXT = 4096;
const DEFAULT_OVER_PREDICTION = 1.4;

/** Options with every choice made and checked against the model and the machine. */
export interface Settings {
  objective: 'latency' | 'impact';
  method: 'own' | 'highs';
  mode: Mode;
  contextTokens: number;
  kvType: KvType;
  /** [layers] */
  predictorBytes: readonly number[];
  overPrediction: number;
  budgetBytes: Record<Tier, number>;
  timeLimitMs?: number;
  onNotice: (notice: string) => void;
}

/**
 * Fills in what was not asked for, and refuses what cannot be.
 *
 * @throws PipelineError `INVALID_ARGUMENT`, `MODE_UNSUPPORTED`, and `OUT_OF_MEMORY` for a budget
 * above what the machine has
 */
export function resolveSettings(
  model: ModelInfo,
  hardware: HardwareInfo,
  options: SolveOptions,
): Settings {
  const { timeLimitMs, predictorBytes } = options;
  if (predictorBytes && predictorBytes.length !== model.layers) {
    refuse('predictorBytes', `has ${predictorBytes.length} entries for ${model.layers} layers`);
  }
  predictorBytes?.forEach((bytes, layer) => {
    requireWhole(`predictorBytes[${layer}]`, bytes, 0);
  });
  const overPrediction = options.overPrediction ?? DEFAULT_OVER_PREDICTION;
  if (!(overPrediction >= 1 && Number.isFinite(overPrediction))) {
    refuse('overPrediction', `must be 1 or more, not ${String(overPrediction)}`);
  }
  if (timeLimitMs !== undefined && !(timeLimitMs > 0)) {
    refuse('timeLimitMs', `must be above 0, not ${String(timeLimitMs)}`);
  }
  const contextTokens = options.contextTokens ?? Math.min(model.context, DEFAULT_CONTEXT);
  return {
    objective: oneOf('objective', options.objective ?? 'latency', ['latency', 'impact']),
    method: oneOf('method', options.method ?? 'own', ['own', 'highs']),
    mode: checkMode(model, options.mode ?? defaultMode(model)),
    contextTokens: requireWhole('contextTokens', contextTokens, 1),
    kvType: oneOf('kvType', options.kvType ?? 'f16', ['f16', 'f32']),
    predictorBytes: predictorBytes ?? new Array<number>(model.layers).fill(0),
    overPrediction,
    budgetBytes: budgets(hardware, options),
    ...(timeLimitMs !== undefined && { timeLimitMs }),
    onNotice: options.onNotice ?? (() => undefined),
  };
}

/** The mode that loses nothing and reads least. */
function defaultMode(model: ModelInfo): Mode {
  return hasExactZeros(model) ? 'exact' : 'dense';
}

function checkMode(model: ModelInfo, mode: Mode): Mode {
  oneOf('mode', mode, MODES);
  if (mode !== 'exact' || hasExactZeros(model)) return mode;
  const reason = `mode 'exact' skips neurons that are exactly zero, and '${model.activation}' makes none; use 'dense' or 'threshold'`;
  throw new PipelineError('MODE_UNSUPPORTED', `${capital(reason)}.`, { reason });
}

function budgets(hardware: HardwareInfo, options: SolveOptions): Record<Tier, number> {
  return {
    gpu: budget(hardware, 'gpu', 'vramBudgetBytes', options),
    cpu: budget(hardware, 'cpu', 'ramBudgetBytes', options),
    flash: hardware.tiers.flash?.availableBytes ?? 0,
  };
}

function budget(
  { name, tiers }: HardwareInfo,
  tier: 'gpu' | 'cpu',
  argument: 'vramBudgetBytes' | 'ramBudgetBytes',
  options: SolveOptions,
): number {
  const { capacityBytes = 0, availableBytes = 0 } = tiers[tier] ?? {};
  const asked = options[argument];
  if (asked === undefined) return Math.min(availableBytes, capacityBytes);
  requireWhole(argument, asked, 0);
  if (asked > capacityBytes) {
    const remedy = tiers[tier] ? 'Ask for less' : 'Leave it out';
    const has = tiers[tier] ? `has ${capacityBytes}` : `has no ${tier}`;
    const reason = `a ${tier} budget of ${asked} bytes was asked for, ${name} ${has}`;
    const details = { tier, requestedBytes: asked, availableBytes: capacityBytes, reason };
    throw new PipelineError('OUT_OF_MEMORY', `${capital(reason)}. ${remedy}.`, details);
  }
  if (asked > availableBytes) {
    options.onNotice?.(
      `The ${tier} budget is ${asked} bytes, of which ${name} has ${availableBytes} available now`,
    );
  }
  return asked;
}

function requireWhole(argument: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  return refuse(argument, `must be a whole number of at least ${least}, not ${String(value)}`);
}

function oneOf<T extends string>(argument: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  return refuse(argument, `must be one of ${allowed.join(', ')}, not "${String(value)}"`);
}

function refuse(argument: string, reason: string): never {
  throw new PipelineError('INVALID_ARGUMENT', `${argument} ${reason}.`, { argument, reason });
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
