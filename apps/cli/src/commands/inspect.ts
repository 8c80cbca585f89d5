import { demoModelPath } from '@thermocline/demo-model';
import { type FileKind, fileKind } from '../file-kind.js';
import { inspectBenchmark } from '../inspect/benchmark.js';
import { inspectHardware } from '../inspect/hardware.js';
import { inspectModelFile } from '../inspect/model.js';
import { inspectPlan } from '../inspect/plan.js';
import { inspectPredictors } from '../inspect/predictors.js';
import { inspectProfile } from '../inspect/profile.js';
import type { Report, ReportOptions } from '../inspect/report.js';
import { inspectSafetensors } from '../inspect/safetensors.js';
import { callerPath } from '../paths.js';
import { type Pictures, requirePictureFiles, writePictures } from '../picture-files.js';
import { print, printJson } from '../terminal.js';
import { UsageError } from '../usage-error.js';

export interface InspectOptions {
  all?: boolean;
  html?: string;
  svg?: string;
  json?: boolean;
}

/** A report; of some kinds of files pictures can be drawn as well. */
type DrawnReport = Report & { pictures?: Pictures };

const INSPECTORS: Record<FileKind, (path: string, options: ReportOptions) => Promise<DrawnReport>> =
  {
    model: inspectModelFile,
    profile: inspectProfile,
    plan: inspectPlan,
    predictors: inspectPredictors,
    safetensors: inspectSafetensors,
    hardware: inspectHardware,
    benchmark: inspectBenchmark,
  };

/** `thermocline inspect`: what is in a file, whichever of ours it is. */
export async function inspect(file: string | undefined, options: InspectOptions): Promise<void> {
  const path = file === undefined ? demoModelPath() : callerPath(file);
  const kind = await fileKind(path);
  const { all = false, html, svg } = options;
  await requirePictureFiles([path], { html, svg });
  const { pictures, ...report } = await INSPECTORS[kind](path, { all });
  if (pictures) await writePictures(pictures, { html, svg });
  else if (html !== undefined || svg !== undefined) {
    throw new UsageError(
      `${path}: pictures can be drawn of profiles, predictor sets and benchmarks only.`,
    );
  }
  if (options.json) printJson({ kind, path, ...report.json });
  else for (const line of report.lines) print(line);
}
