/** Of so many windows, one is held out from training. */
export const HELD_OUT_EVERY = 8;

/**
 * Whether a window is held out, where no text was given for that: the last of every eight.
 *
 * @param index - its number among the windows that are not empty
 *
 * @example
 * if (isHeldOut(index++)) heldOut.push(window);
 */
export function isHeldOut(index: number): boolean {
  return index % HELD_OUT_EVERY === HELD_OUT_EVERY - 1;
}
