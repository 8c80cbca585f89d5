import { demoModelPath } from '@thermocline/demo-model';
import { importActivations } from '@thermocline/runtime';
import { describeModel } from '../describe-model.js';
import { outputPath } from '../output-file.js';
import { callerPath } from '../paths.js';
import { deliverProfile } from '../profiling/result.js';
import { note } from '../terminal.js';

export interface ImportFlags {
  model?: string;
  output?: string;
  tokens?: number;
  json?: boolean;
}

/** `thermocline profile import`: makes a profile of counts that another program wrote. */
export async function importProfile(paths: readonly string[], flags: ImportFlags): Promise<void> {
  const files = paths.map(callerPath);
  const modelPath = flags.model === undefined ? demoModelPath() : callerPath(flags.model);
  const output = await outputPath(flags.output, 'profile', [...files, modelPath]);
  const profile = await importActivations(files, {
    ...(await describeModel(modelPath)),
    onNotice: (notice) => note(`note: ${notice}`),
    ...(flags.tokens !== undefined && { tokens: flags.tokens }),
  });
  await deliverProfile(output, profile, flags.json, { inputs: files.length });
}
