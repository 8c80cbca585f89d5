import { stat } from 'node:fs/promises';
import { type HardwareInfo, hardwareInfoToJson, writeHardwareInfo } from '@thermocline/contracts';
import { probeHardware } from '@thermocline/runtime';
import { hardwareLines } from '../inspect/hardware.js';
import { Interrupt } from '../interrupt.js';
import { missingFolder, outputPath } from '../output-file.js';
import { callerPath } from '../paths.js';
import { startProgress } from '../progress.js';
import { errorColors, note, print, printJson } from '../terminal.js';

export interface ProbeOptions {
  drive: string | false;
  gpu: boolean;
  name?: string;
  threads?: number;
  output?: string;
  json?: boolean;
}

/** `thermocline probe`: measures the tiers of memory of this machine. */
export async function probe(options: ProbeOptions): Promise<void> {
  const { output, drive } = options;
  const target = output === undefined ? undefined : await outputPath(output, 'hardware', []);
  await requireDrive(drive);
  const notices: string[] = [];
  const hardware = await measure(options, notices);
  for (const notice of notices) note(`note: ${notice}`);
  if (target !== undefined) {
    await writeHardwareInfo(target, hardware);
    note(`written to ${target}`);
  }
  if (options.json) printJson(hardwareInfoToJson(hardware));
  else for (const line of hardwareLines(hardware)) print(line);
}

/** A folder that was named must be there; whether its drive can be measured is seen later. */
async function requireDrive(drive: string | false): Promise<void> {
  if (drive === false) return;
  const folder = await stat(callerPath(drive)).catch(() => undefined);
  if (!folder?.isDirectory()) throw missingFolder(callerPath(drive));
}

async function measure(options: ProbeOptions, notices: string[]): Promise<HardwareInfo> {
  using interrupt = new Interrupt();
  note(errorColors.dim('Measuring this machine; let nothing else run meanwhile …'));
  using progress = await startProgress('Measuring');
  const { drive, gpu, name, threads } = options;
  // Awaited here: what is in use ends with this function.
  return await probeHardware({
    driveFolder: drive === false ? null : callerPath(drive),
    gpu,
    onProgress: (fraction) => progress.update(fraction, 1),
    onNotice: (notice) => notices.push(notice),
    signal: interrupt.signal,
    ...(name !== undefined && { name }),
    ...(threads !== undefined && { threads }),
  });
}
