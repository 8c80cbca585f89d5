import type { HardwareInfo } from '@thermocline/contracts';
import { findHardware, probeHardware, shippedHardware } from '@thermocline/runtime';
import { Interrupt } from '../interrupt.js';
import { callerPath } from '../paths.js';
import { errorColors, note } from '../terminal.js';

/** The machine that was named: shipped with the program, a hardware file, or, unnamed, this one. */
export async function openMachine(named: string | undefined): Promise<HardwareInfo> {
  if (named === undefined) return measureThisMachine();
  if (named === 'this-machine') {
    note('note: this-machine is the one the published figures were measured on; leave --hardware');
    note('out to measure yours.');
  }
  const isFile = !shippedHardware().includes(named) && /[\\/.]/.test(named);
  return findHardware(isFile ? callerPath(named) : named);
}

async function measureThisMachine(): Promise<HardwareInfo> {
  // Only as long as there is something to clean up: what follows may be ended at once.
  using interrupt = new Interrupt();
  note(errorColors.dim('Measuring this machine (--hardware names another, or a file) …'));
  return await probeHardware({
    driveFolder: callerPath('.'),
    onNotice: (notice) => note(`note: ${notice}`),
    signal: interrupt.signal,
  });
}
