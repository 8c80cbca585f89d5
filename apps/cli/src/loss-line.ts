import type { NamedLoss } from '@thermocline/runtime';
import { formatCount } from './format.js';

/**
 * What a lossy mode is known to cost, as it is always named.
 *
 * @example
 * note(lossLine(result.loss)); // mode predicted: perplexity 8.09, 0.8 % above dense (8.03), …
 */
export function lossLine({
  mode,
  perplexity,
  densePerplexity,
  change,
  ...rest
}: NamedLoss): string {
  const percent = `${Math.abs(100 * change).toFixed(2)} % ${change < 0 ? 'below' : 'above'}`;
  const how = rest.interpolated ? 'between points measured' : 'measured';
  return (
    `mode ${mode}: perplexity ${perplexity.toFixed(3)}, ${percent} dense ` +
    `(${densePerplexity.toFixed(3)}), ${how} on ${formatCount(rest.tokens)} held-out tokens`
  );
}
