import { demoModelPath } from '@thermocline/demo-model';
import { type FileKind, fileKind } from '../file-kind.js';
import { inspectHardware } from '../inspect/hardware.js';
import { inspectModelFile } from '../inspect/model.js';
import { inspectPlan } from '../inspect/plan.js';
import { inspectPredictors } from '../inspect/predictors.js';
import { inspectProfile } from '../inspect/profile.js';
import { writePictures } from '../inspect/profile-pictures.js';
import type { Report } from '../inspect/report.js';
import { inspectSafetensors } from '../inspect/safetensors.js';
import { callerPath } from '../paths.js';
import { print, printJson } from '../terminal.js';
import { UsageError } from '../usage-error.js';

export interface InspectOptions {
  all?: boolean;
  html?: string;
  svg?: string;
  json?: boolean;
}

const INSPECTORS = {
  model: inspectModelFile,
  plan: inspectPlan,
  predictors: inspectPredictors,
  safetensors: inspectSafetensors,
  hardware: inspectHardware,
};

/** `thermocline inspect`: what is in a file, whichever of ours it is. */
export async function inspect(file: string | undefined, options: InspectOptions): Promise<void> {
  const path = file === undefined ? demoModelPath() : callerPath(file);
  const kind = await fileKind(path);
  const report: Report = await inspectKind(kind, path, options);
  if (options.json) printJson({ kind, path, ...report.json });
  else for (const line of report.lines) print(line);
}

async function inspectKind(kind: FileKind, path: string, options: InspectOptions): Promise<Report> {
  const { all = false, html, svg } = options;
  if (kind === 'profile') {
    const report = await inspectProfile(path, { all });
    await writePictures(path, report, { html, svg });
    return report;
  }
  if (html !== undefined || svg !== undefined) {
    throw new UsageError(`${path}: pictures can be drawn of activation profiles only so far.`);
  }
  return INSPECTORS[kind](path, { all });
}
