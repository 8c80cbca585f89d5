import { type ActivationProfile, readActivationProfile } from '@thermocline/contracts';
import { type ProfileSummary, summarizeProfile } from '@thermocline/runtime';
import type { Pictures } from '../picture-files.js';
import { colors } from '../terminal.js';
import { profileJson } from './profile-json.js';
import { profileLines } from './profile-lines.js';
import { heading, originReport, type Report, type ReportOptions } from './report.js';

/** A report, and the profile it is of. */
export interface ProfileReport extends Report {
  profile: ActivationProfile;
  summary: ProfileSummary;
  pictures: Pictures;
}

/** An activation profile: per layer how many neurons fire, and how unequal they are. */
export async function inspectProfile(path: string, options: ReportOptions): Promise<ProfileReport> {
  const profile = await readActivationProfile(path);
  const summary = summarizeProfile(profile);
  const origin = originReport(profile);
  return {
    profile,
    summary,
    pictures: {
      page: async () => (await import('../charts/profile-page.js')).profilePage(profile, summary),
      figure: async () =>
        (await import('../charts/profile-figure.js')).profileFigure(profile, summary),
    },
    json: { ...origin.json, ...profileJson(profile, summary) },
    lines: [
      heading('activation profile'),
      ...origin.lines,
      '',
      ...profileLines(profile, summary, colors, options),
    ],
  };
}
