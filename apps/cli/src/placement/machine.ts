import type { HardwareInfo } from '@thermocline/contracts';
import { findHardware, probeHardware, shippedHardware } from '@thermocline/runtime';
import { callerPath } from '../paths.js';
import { errorColors, note } from '../terminal.js';

/** The machine that was named: shipped with the program, a hardware file, or, unnamed, this one. */
export async function openMachine(
  named: string | undefined,
  signal: AbortSignal,
): Promise<HardwareInfo> {
  if (named === undefined) {
    note(errorColors.dim('Measuring this machine (--hardware names another, or a file) …'));
    return probeHardware({
      driveFolder: callerPath('.'),
      onNotice: (notice) => note(`note: ${notice}`),
      signal,
    });
  }
  const isFile = !shippedHardware().includes(named) && /[\\/.]/.test(named);
  return findHardware(isFile ? callerPath(named) : named);
}
