import { MODES, type Mode, PipelineError, type StepItem } from '@thermocline/contracts';

const MAX_TOKENS = 2 ** 28;
const MAX_INT32 = 2 ** 31 - 1;

/** An error about a value of the caller's; the message names it and says what it may be. */
export function invalidArgument(argument: string, reason: string) {
  return new PipelineError('INVALID_ARGUMENT', `${argument} ${reason}`, { argument, reason });
}

export function checkInteger(
  value: unknown,
  argument: string,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw invalidArgument(argument, `must be a whole number from ${min} to ${max}`);
  }
  return value;
}

export function checkNumber(value: unknown, argument: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw invalidArgument(argument, 'must be a finite number');
  }
  return value;
}

export function checkString(value: unknown, argument: string): string {
  if (typeof value !== 'string') throw invalidArgument(argument, 'must be a string');
  return value;
}

/** A path for the core, whose strings end at the first NUL. */
export function checkPath(value: unknown): string {
  const path = checkString(value, 'path');
  if (path === '' || path.includes('\0')) {
    throw invalidArgument('path', 'must name a file or a folder');
  }
  return path;
}

export function checkBoolean(value: unknown, argument: string): boolean {
  if (typeof value !== 'boolean') throw invalidArgument(argument, 'must be true or false');
  return value;
}

export function checkFunction(value: unknown, argument: string): void {
  if (typeof value !== 'function') throw invalidArgument(argument, 'must be a function');
}

export function checkOneOf<const T extends string>(
  value: unknown,
  argument: string,
  allowed: readonly T[],
): T {
  if (!allowed.includes(value as T)) {
    throw invalidArgument(argument, `must be one of ${allowed.join(', ')}`);
  }
  return value as T;
}

export function checkSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return value;
  throw invalidArgument('signal', 'must be an AbortSignal');
}

export function checkOptions(value: unknown): void {
  if (typeof value !== 'object' || value === null) {
    throw invalidArgument('options', 'must be an object');
  }
}

/** Whether the model can run in it, with the predictors it has, is the core's to say. */
export function checkMode(value: unknown): Mode {
  return checkOneOf(value, 'mode', MODES);
}

/** Token ids as the core takes them. Whether they are in the vocabulary is the core's to say. */
export function checkTokens(tokens: ArrayLike<number>, argument = 'tokens'): Int32Array {
  if (tokens instanceof Int32Array) return tokens;
  if (typeof tokens !== 'object' || tokens === null) {
    throw invalidArgument(argument, 'must be an array of token ids');
  }
  const length = checkInteger(tokens.length, `${argument}.length`, 0, MAX_TOKENS);
  const ids = new Int32Array(length);
  for (let i = 0; i < length; i++) {
    ids[i] = checkInteger(tokens[i], `${argument}[${i}]`, 0, MAX_INT32);
  }
  return ids;
}

/** At which tokens logits are wanted, as ascending indices. */
export function checkLogits(wanted: StepItem['logits'], length: number): Int32Array {
  if (wanted === 'none') return new Int32Array();
  if (wanted === undefined || wanted === 'last') {
    return Int32Array.from(length > 0 ? [length - 1] : []);
  }
  if (wanted === 'all') return Int32Array.from({ length }, (_, i) => i);
  if (!Array.isArray(wanted)) {
    throw invalidArgument('logits', "must be 'none', 'last', 'all' or an array of indices");
  }
  const indices = wanted as readonly number[];
  return Int32Array.from(indices, (index, i) => {
    const lowest = i === 0 ? 0 : (indices[i - 1] as number) + 1;
    return checkInteger(index, `logits[${i}]`, lowest, length - 1);
  });
}
