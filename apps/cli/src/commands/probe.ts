import { hardwareInfoToJson } from '@thermocline/contracts';
import { probeHardware } from '@thermocline/runtime';
import { hardwareLines } from '../inspect/hardware.js';
import { Interrupt } from '../interrupt.js';
import { callerPath } from '../paths.js';
import { errorColors, note, print, printJson } from '../terminal.js';

export interface ProbeOptions {
  drive?: string;
  name?: string;
  threads?: number;
  json?: boolean;
}

/** `thermocline probe`: measures the tiers of memory of this machine. */
export async function probe({ drive, name, threads, json }: ProbeOptions): Promise<void> {
  using interrupt = new Interrupt();
  note(errorColors.dim('Measuring memory and drive; let nothing else run meanwhile …'));
  const hardware = await probeHardware({
    driveFolder: callerPath(drive ?? '.'),
    onNotice: (notice) => note(`note: ${notice}`),
    signal: interrupt.signal,
    ...(name !== undefined && { name }),
    ...(threads !== undefined && { threads }),
  });
  if (hardware.tiers.gpu === undefined) note('no gpu tier: this release computes on the processor');
  if (json) printJson(hardwareInfoToJson(hardware));
  else for (const line of hardwareLines(hardware)) print(line);
}
