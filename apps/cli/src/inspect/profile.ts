import { type ActivationProfile, readActivationProfile } from '@thermocline/contracts';
import { type ProfileSummary, summarizeProfile } from '@thermocline/runtime';
import { colors } from '../terminal.js';
import { profileJson } from './profile-json.js';
import { profileLines } from './profile-lines.js';
import { heading, originReport, type Report, type ReportOptions } from './report.js';

/** A report, and what pictures of the profile are drawn from. */
export interface ProfileReport extends Report {
  profile: ActivationProfile;
  summary: ProfileSummary;
}

/** An activation profile: per layer how many neurons fire, and how unequal they are. */
export async function inspectProfile(path: string, options: ReportOptions): Promise<ProfileReport> {
  const profile = await readActivationProfile(path);
  const summary = summarizeProfile(profile);
  const origin = originReport(profile);
  return {
    profile,
    summary,
    json: { ...origin.json, ...profileJson(profile, summary) },
    lines: [
      heading('activation profile'),
      ...origin.lines,
      '',
      ...profileLines(profile, summary, colors, options),
    ],
  };
}
