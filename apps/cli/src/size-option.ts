import { isPipelineError } from '@thermocline/contracts';
import { parseSize } from '@thermocline/runtime';
import { UsageError } from './usage-error.js';

/**
 * Reads the value of an option that is an amount of memory.
 *
 * @throws UsageError which names the option
 *
 * @example
 * sizeOption('--ram', '8GiB'); // 8589934592
 */
export function sizeOption(option: string, text: string): number {
  try {
    return parseSize(text);
  } catch (error) {
    if (!isPipelineError(error, 'INVALID_ARGUMENT')) throw error;
    throw new UsageError(`${option}: ${error.message}`);
  }
}
