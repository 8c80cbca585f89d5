import { type ActivationProfile, writeActivationProfile } from '@thermocline/contracts';
import { type ProfileSummary, summarizeProfile } from '@thermocline/runtime';
import { formatCount, formatRate, formatShare } from '../format.js';
import { profileJson } from '../inspect/profile-json.js';
import { profileLines } from '../inspect/profile-lines.js';
import { colors, errorColors, note, print, printJson } from '../terminal.js';

/** What is said beside the figures of the profile itself; keys as in JSON. */
export interface RunFigures {
  tokens_per_second?: number | null;
  shard?: { index: number; count: number } | null;
  inputs?: number;
}

/** Writes a profile and shows it: its picture and the closing line, or everything as JSON. */
export async function deliverProfile(
  path: string,
  profile: ActivationProfile,
  json: boolean | undefined,
  figures: RunFigures = {},
): Promise<void> {
  await writeActivationProfile(path, profile);
  const summary = summarizeProfile(profile);
  if (json) {
    const { fingerprint, model, corpora } = profile;
    const origin = { path, fingerprint, model, corpora };
    printJson({ ...origin, ...figures, ...profileJson(profile, summary) });
    return;
  }
  for (const line of profileLines(profile, summary, colors)) print(line);
  note(errorColors.bold(closingLine(path, summary, figures)));
}

function closingLine(path: string, { model }: ProfileSummary, figures: RunFigures): string {
  const rate = figures.tokens_per_second;
  return [
    `${formatCount(model.tokens)} tokens`,
    ...(rate ? [formatRate(rate, 'tokens/s')] : []),
    `${formatShare(model.activeRatio)} of neurons fired on a token`,
    `${formatShare(model.neuronsFor80Percent)} make 80 % of the firings`,
    `written to ${path}`,
  ].join(' · ');
}
