import { demoModelPath } from '@thermocline/demo-model';
import { fileKind } from '../file-kind.js';
import { inspectHardware } from '../inspect/hardware.js';
import { inspectModelFile } from '../inspect/model.js';
import { inspectPlan } from '../inspect/plan.js';
import { inspectPredictors } from '../inspect/predictors.js';
import { inspectProfile } from '../inspect/profile.js';
import type { Report } from '../inspect/report.js';
import { inspectSafetensors } from '../inspect/safetensors.js';
import { callerPath } from '../paths.js';
import { print, printJson } from '../terminal.js';

export interface InspectOptions {
  all?: boolean;
  json?: boolean;
}

const INSPECTORS = {
  model: inspectModelFile,
  profile: inspectProfile,
  plan: inspectPlan,
  predictors: inspectPredictors,
  safetensors: inspectSafetensors,
  hardware: inspectHardware,
};

/** `thermocline inspect`: what is in a file, whichever of ours it is. */
export async function inspect(file: string | undefined, options: InspectOptions): Promise<void> {
  const path = file === undefined ? demoModelPath() : callerPath(file);
  const kind = await fileKind(path);
  const report: Report = await INSPECTORS[kind](path, { all: options.all ?? false });
  if (options.json) printJson({ kind, path, ...report.json });
  else for (const line of report.lines) print(line);
}
