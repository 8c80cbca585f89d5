import type { ActivationProfile, LayerActivations } from '@thermocline/contracts';
import { firingCounts } from './summarize-counts.js';
import { type DomainsSummary, summarizeDomains } from './summarize-domains.js';
import { type FiringSummary, summarizeFirings } from './summarize-firings.js';
import { type MagnitudeSummary, summarizeMagnitudes } from './summarize-magnitudes.js';

export interface LayerSummary extends FiringSummary {
  /** Absent where the profile has no magnitudes. */
  magnitudes?: MagnitudeSummary;
  /** |h| above which a neuron counted as firing; absent: h ≠ 0 did. */
  threshold?: number;
}

/** What a profile says of a model, in figures that are small enough to print and to draw. */
export interface ProfileSummary {
  /** [layers] */
  layers: LayerSummary[];
  /** All neurons of all layers, sorted together. */
  model: FiringSummary;
  /** How alike the kinds of text are; absent where fewer than two were counted apart. */
  domains?: DomainsSummary;
}

/**
 * Finds how few neurons make most of the firings, how often neurons fire, how large their
 * activations are, and whether the hot ones are the same for different kinds of text. Five
 * million neurons take about a second.
 *
 * @example
 * const { model, layers } = summarizeProfile(await readActivationProfile('story.safetensors'));
 * console.log(model.neuronsFor80Percent); // 0.26: a quarter of the neurons makes 80 % of the firings
 */
export function summarizeProfile(profile: ActivationProfile): ProfileSummary {
  const { layers, domains = [] } = profile;
  const counts = firingCounts(
    layers.map(({ fires }) => fires),
    layers.map(({ tokens }) => tokens),
  );
  const summaries = layers.map((layer, index): LayerSummary => {
    // The layers are views: sorting them in place leaves sorted runs, which sort faster below.
    const ascending = (counts.layers[index] as Float64Array).sort();
    const firings = summarizeFirings(ascending, layer.tokens > 0 ? counts.tokens : 0);
    return { ...firings, tokens: layer.tokens, ...extras(layer) };
  });
  return {
    layers: summaries,
    model: summarizeFirings(counts.all.sort(), counts.tokens),
    ...(domains.length > 1 && { domains: summarizeDomains(domains) }),
  };
}

function extras({ magnitudes, threshold }: LayerActivations) {
  return {
    ...(magnitudes && { magnitudes: summarizeMagnitudes(magnitudes) }),
    ...(threshold !== undefined && { threshold }),
  };
}
