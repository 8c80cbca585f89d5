import type { DomainActivations } from '@thermocline/contracts';
import { type FiringCounts, firingCounts } from './summarize-counts.js';

/** How alike the hot neurons of two kinds of text are. */
export interface PairOverlap {
  /** Names of the two domains. */
  a: string;
  b: string;
  /** Neurons hot in both ÷ neurons hot in either; `null` where there are none. */
  jaccard: number | null;
  /** Neurons hot in both ÷ the smaller of the two sets; `null` where that is empty. */
  overlap: number | null;
}

/** The same for every pair, within each layer and over the whole model. */
export interface HotSetOverlap {
  model: PairOverlap[];
  /** [layers][pairs] */
  layers: PairOverlap[][];
}

export interface DomainSummary {
  name: string;
  /** Tokens seen. */
  tokens: number;
  activeRatio: number | null;
}

export interface DomainsSummary {
  domains: DomainSummary[];
  /** The fifth of the neurons that fire most, as far as they fire at all: the paper's Figure 5b. */
  top20Percent: HotSetOverlap;
  /** Neurons that fire on at least a tenth of the tokens. */
  tenthOfTokens: HotSetOverlap;
}

const TOP = 0.2;
const OFTEN = 0.1;
const BUCKETS = 4096;

type MarkHot = (counts: Float64Array, tokens: number) => Uint8Array;

/** Compares which neurons are hot in each kind of text. */
export function summarizeDomains(domains: readonly DomainActivations[]): DomainsSummary {
  const names = domains.map(({ name }) => name);
  const counts = domains.map(({ fires, tokens }) => firingCounts(fires, tokens));
  return {
    domains: counts.map(({ all, tokens }, index) => ({
      name: names[index] as string,
      tokens,
      activeRatio:
        tokens > 0 ? all.reduce((sum, count) => sum + count, 0) / (tokens * all.length) : null,
    })),
    top20Percent: overlaps(names, counts, hottest),
    tenthOfTokens: overlaps(names, counts, frequent),
  };
}

function overlaps(
  names: readonly string[],
  domains: readonly FiringCounts[],
  mark: MarkHot,
): HotSetOverlap {
  const layers = domains[0]?.layers ?? [];
  return {
    model: comparePairs(
      names,
      domains.map(({ all, tokens }) => mark(all, tokens)),
    ),
    layers: layers.map((_, layer) =>
      comparePairs(
        names,
        domains.map((domain) => mark(domain.layers[layer] as Float64Array, domain.tokens)),
      ),
    ),
  };
}

/** Marks the fifth that fires most. Of neurons that fire equally often the first ones count. */
const hottest: MarkHot = (counts) => {
  const size = Math.round(TOP * counts.length);
  // A neuron that never fires is not hot, however few do.
  const least = Math.max(size > 0 ? nthLargest(counts, size) : 0, Number.MIN_VALUE);
  const marks = new Uint8Array(counts.length);
  let left = size;
  for (let i = 0; i < counts.length; i++) {
    if ((counts[i] as number) > least) left -= marks[i] = 1;
  }
  for (let i = 0; i < counts.length && left > 0; i++) {
    if (counts[i] === least) left -= marks[i] = 1;
  }
  return marks;
};

/** The value that `n` of the counts reach, without sorting more than a small part of them. */
function nthLargest(counts: Float64Array, n: number): number {
  const highest = counts.reduce((most, count) => Math.max(most, count), 0);
  const bucketOf = (count: number) => Math.floor((count / (highest || 1)) * (BUCKETS - 1));
  const sizes = new Uint32Array(BUCKETS);
  for (const count of counts) (sizes[bucketOf(count)] as number)++;
  let bucket = BUCKETS - 1;
  let above = 0;
  while (above + (sizes[bucket] as number) < n) above += sizes[bucket--] as number;
  const inside = counts.filter((count) => bucketOf(count) === bucket).sort();
  return inside[inside.length - (n - above)] as number;
}

const frequent: MarkHot = (counts, tokens) => {
  const marks = new Uint8Array(counts.length);
  for (let i = 0; i < counts.length; i++) {
    marks[i] = tokens > 0 && (counts[i] as number) >= OFTEN * tokens ? 1 : 0;
  }
  return marks;
};

function comparePairs(names: readonly string[], sets: readonly Uint8Array[]): PairOverlap[] {
  const sizes = sets.map((set) => set.reduce((sum, mark) => sum + mark, 0));
  return sets.flatMap((a, i) =>
    sets.slice(i + 1).map((b, offset) => {
      const j = i + 1 + offset;
      const [sizeA = 0, sizeB = 0] = [sizes[i], sizes[j]];
      const both = countShared(a, b);
      const either = sizeA + sizeB - both;
      const smaller = Math.min(sizeA, sizeB);
      return {
        a: names[i] as string,
        b: names[j] as string,
        jaccard: either > 0 ? both / either : null,
        overlap: smaller > 0 ? both / smaller : null,
      };
    }),
  );
}

function countShared(a: Uint8Array, b: Uint8Array): number {
  let shared = 0;
  for (let i = 0; i < a.length; i++) shared += (a[i] as number) & (b[i] as number);
  return shared;
}
