import { PipelineError } from './errors.js';

/** An option that is out of range. */
export function invalidOption(argument: string, reason: string): PipelineError<'INVALID_ARGUMENT'> {
  return new PipelineError('INVALID_ARGUMENT', `${argument} ${reason}.`, { argument, reason });
}

/** A whole number between two bounds; infinity where it means "no limit". */
export function checkWhole(
  argument: string,
  value: number,
  lowest: number,
  highest = Number.POSITIVE_INFINITY,
): number {
  const whole = Number.isSafeInteger(value) || value === Number.POSITIVE_INFINITY;
  if (whole && value >= lowest && value <= highest) return value;
  const range = highest === Number.POSITIVE_INFINITY ? `from ${lowest} up` : `${lowest}–${highest}`;
  throw invalidOption(argument, `must be a whole number ${range}, not ${String(value)}`);
}
