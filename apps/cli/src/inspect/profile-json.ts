import type { ActivationProfile } from '@thermocline/contracts';
import type {
  FiringSummary,
  HotSetOverlap,
  LayerSummary,
  ProfileSummary,
} from '@thermocline/runtime';
import { shardRuns } from './shard-runs.js';

/** Every figure of a profile, with keys as all our JSON spells them. */
export function profileJson(
  profile: ActivationProfile,
  { layers, model, domains }: ProfileSummary,
) {
  return {
    tokens: model.tokens,
    whole_model: firingJson(model),
    layers: layers.map(layerJson),
    domains: domains
      ? domains.domains.map(({ name, tokens, activeRatio }) => ({
          name,
          tokens,
          active_ratio: activeRatio,
        }))
      : [],
    domain_overlap: domains
      ? {
          top_20_percent: overlapJson(domains.top20Percent),
          tenth_of_tokens: overlapJson(domains.tenthOfTokens),
        }
      : null,
    shards: shardRuns(profile.shards ?? []),
  };
}

function firingJson({ curve, ...summary }: FiringSummary) {
  return {
    neurons: summary.neurons,
    tokens: summary.tokens,
    active_ratio: summary.activeRatio,
    neurons_for_80_percent: summary.neuronsFor80Percent,
    never_fired: summary.neverFired,
    gini: summary.gini,
    curve,
  };
}

function layerJson(layer: LayerSummary) {
  const { magnitudes, threshold } = layer;
  return {
    ...firingJson(layer),
    threshold: threshold ?? null,
    magnitudes: magnitudes
      ? { zero_ratio: magnitudes.zeroRatio, quantiles: magnitudes.quantiles }
      : null,
  };
}

function overlapJson({ model, layers }: HotSetOverlap) {
  return { whole_model: model, layers };
}
