import { readActivationProfile } from '@thermocline/contracts';
import { mergeProfiles } from '@thermocline/runtime';
import { outputPath } from '../output-file.js';
import { callerPath } from '../paths.js';
import { deliverProfile } from '../profiling/result.js';

export interface MergeFlags {
  output?: string;
  allowOverlap?: boolean;
  json?: boolean;
}

/** `thermocline profile merge`: adds profiles of one model up. */
export async function merge(files: readonly string[], flags: MergeFlags): Promise<void> {
  const names = files.map(callerPath);
  const output = await outputPath(flags.output, 'profile', names);
  const profiles = [];
  for (const name of names) profiles.push(await readActivationProfile(name));
  const merged = mergeProfiles(profiles, { names, allowOverlap: flags.allowOverlap ?? false });
  await deliverProfile(output, merged, flags.json, { inputs: names.length });
}
