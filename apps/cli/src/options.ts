import type { Mode } from '@thermocline/contracts';
import type { KernelBenchType } from '@thermocline/runtime';
import { InvalidArgumentError } from 'commander';

// Spelled out rather than imported: the contracts load a schema library that `--help` can spare.
export const modes = ['dense', 'exact', 'predicted', 'threshold'] as const satisfies Mode[];

const weightTypes = [
  'F32',
  'F16',
  'BF16',
  'Q8_0',
  'Q4_0',
  'Q4_K',
  'Q5_K',
  'Q6_K',
] as const satisfies KernelBenchType[];

/** A share: `0.97` or `97%`. */
export function share(text: string): number {
  const percent = /^(.+)%$/.exec(text.trim());
  const value = percent ? Number(percent[1]) / 100 : Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1)) {
    throw new InvalidArgumentError('It must be a share, such as 0.97 or 97%.');
  }
  return value;
}

/** Parser of a whole number that is not below `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`It must be a whole number, ${least} or more.`);
    }
    return value;
  };
}

/** Parser of a number within bounds. */
export function number(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= least && value <= most)) {
      throw new InvalidArgumentError(`It must be a number from ${least} to ${most}.`);
    }
    return value;
  };
}

/** Parser of values between commas: `1,2`. */
export function listOf<T>(parse: (text: string) => T): (text: string) => T[] {
  return (text) => [...new Set(text.split(',').map((value) => parse(value.trim())))];
}

/** A mode by its name. */
export function mode(text: string): Mode {
  const known = modes.find((name) => name === text);
  if (known !== undefined) return known;
  throw new InvalidArgumentError(`There are ${modes.join(', ')}.`);
}

/** A weight type that kernels know. */
export function weightType(text: string): KernelBenchType {
  const known = weightTypes.find((name) => name === text.toUpperCase());
  if (known !== undefined) return known;
  throw new InvalidArgumentError(`There are ${weightTypes.join(', ')}.`);
}

/** Parser of token ids: `1,2,3`. */
export function listOfIds(text: string): Int32Array {
  const parse = wholeNumber(0);
  const ids = text.split(',').map((id) => parse(id.trim()));
  if (ids.some((id) => id > 0x7fff_ffff)) {
    throw new InvalidArgumentError('Token ids are below 2147483648.');
  }
  return Int32Array.from(ids);
}

/** Gathers an option that is given several times. */
export function collect(text: string, earlier: string[] = []): string[] {
  return [...earlier, text];
}
