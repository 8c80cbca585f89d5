import { PipelineError } from '@thermocline/contracts';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;
const PATTERN = /^(\d+(?:\.\d+)?)\s*(?:([kmgtp])(i?b)?|b)?$/i;

/**
 * Reads an amount of memory as people write it. `8GiB` and the short form `8G` count in powers of
 * 1,024, `8GB` in powers of 1,000, a bare number is bytes. Parts of a byte are cut off.
 *
 * @throws PipelineError `INVALID_ARGUMENT` when it is no size
 *
 * @example
 * parseSize('1.5GiB'); // 1610612736
 */
export function parseSize(text: string): number {
  const match = PATTERN.exec(text.trim());
  if (match === null) throw notASize(text, 'write a number with a unit, such as 8GiB or 512MiB');
  const [, number = '', prefix, suffix] = match;
  const base = suffix?.toLowerCase() === 'b' ? 1000 : 1024;
  const power = prefix === undefined ? 0 : 'kmgtp'.indexOf(prefix.toLowerCase()) + 1;
  const bytes = Math.floor(Number(number) * base ** power);
  if (!Number.isSafeInteger(bytes)) throw notASize(text, 'that is more than any machine has');
  return bytes;
}

/**
 * Writes an amount of memory for people, to three digits or so.
 *
 * @example
 * formatBytes(16_138_528); // '15.4 MiB'
 */
export function formatBytes(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  // Rounding may reach the next unit: 1023.9 KiB reads better as 1.0 MiB.
  if (Number(value.toFixed(digits)) >= 1024 && unit < UNITS.length - 1) {
    return `1.0 ${UNITS[unit + 1]}`;
  }
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

function notASize(text: string, reason: string): PipelineError<'INVALID_ARGUMENT'> {
  return new PipelineError('INVALID_ARGUMENT', `"${text}" is not a size: ${reason}.`, {
    argument: 'size',
    reason,
  });
}
