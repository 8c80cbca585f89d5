import type { ArtifactOrigin } from '@thermocline/contracts';
import { formatCount } from '../format.js';
import { escapeMarkup } from './escape.js';

/** Where an artifact comes from, as items of a page's list. */
export function originItems({ fingerprint, corpora, madeBy }: ArtifactOrigin): string[] {
  return [
    `Fingerprint of the model: <code>${escapeMarkup(fingerprint)}</code>`,
    ...corpora.map(
      ({ name, tokens, sha256 }) =>
        `${escapeMarkup(name)}: ${formatCount(tokens)} tokens, SHA-256 <code>${sha256.slice(0, 16)}…</code>`,
    ),
    ...(madeBy ? [escapeMarkup(`Made by ${madeBy.tool} ${madeBy.version}`)] : []),
  ];
}
