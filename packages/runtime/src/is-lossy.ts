import type { Mode } from '@thermocline/contracts';

/**
 * Whether a mode leaves neurons out that would have added something, so that what it loses has
 * to be named.
 *
 * @example
 * if (isLossy(mode)) console.log('compare it with dense');
 */
export function isLossy(mode: Mode): boolean {
  return mode === 'predicted' || mode === 'threshold';
}
