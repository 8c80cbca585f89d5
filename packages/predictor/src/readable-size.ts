import type { TrainRun } from './train-run.js';

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

/**
 * An amount of memory for people.
 *
 * @example
 * readableBytes(1536); // '1.5 KiB'
 */
export function readableBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  // Rounding may reach the next unit.
  while (value >= 1023.95 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? Math.ceil(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** What predictors take, as their budget was given: bytes, or a share of the model's weights. */
export function readableSize({ budget, parameters }: TrainRun, size: number): string {
  if ('bytes' in budget) return readableBytes(size);
  const percent = (100 * size) / parameters;
  return `${percent < 0.1 ? percent.toPrecision(1) : percent.toFixed(1)} % of the model's weights`;
}
