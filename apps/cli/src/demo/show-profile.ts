import type { ActivationProfile } from '@thermocline/contracts';
import { demoTexts } from '@thermocline/demo-model';
import { type Model, openCorpus, summarizeProfile } from '@thermocline/runtime';
import { layerBars } from '../bars.js';
import { formatCount, formatRate, formatShare } from '../format.js';
import { startProgress } from '../progress.js';
import { colors, print } from '../terminal.js';

const TOKENS = 16_384;

/** Counts which neurons fire on real text, of two kinds, and shows how unequal they are. */
export async function showProfile(model: Model): Promise<ActivationProfile> {
  const { profile, seconds } = await count(model);
  const summary = summarizeProfile(profile);
  const { n_ff } = model.info.model;
  print();
  print(colors.bold('Profile: which neurons fire on real text'));
  const speed = formatRate(TOKENS / seconds, 'tokens/s');
  print(`  ${formatCount(TOKENS)} tokens of stories and of Shakespeare, counted at ${speed}.`);
  print('  Share of the neurons that makes 80 % of all firings:');
  const shares = summary.layers.map(({ neuronsFor80Percent }) => neuronsFor80Percent);
  for (const line of layerBars(shares, n_ff, colors.yellow)) print(line);
  print(`  whole model: ${formatShare(summary.model.neuronsFor80Percent)}`);
  const overlap = summary.domains?.top20Percent.model[0]?.overlap ?? null;
  print(`  Of the hottest fifth in stories, ${formatShare(overlap)} are as hot in Shakespeare.`);
  return profile;
}

async function count(model: Model): Promise<{ profile: ActivationProfile; seconds: number }> {
  using progress = await startProgress('Profiling');
  const inputs = demoTexts().map(({ name, path }) => ({ domain: name, path }));
  await using corpus = await openCorpus(inputs);
  const start = performance.now();
  const profile = await model.profile(corpus, {
    tokens: TOKENS,
    onProgress: (done, total = TOKENS) => progress.update(done, total),
  });
  return { profile, seconds: (performance.now() - start) / 1000 };
}
