import { estimateJaccard, SKETCH_EMPTY, SKETCH_HASHES } from '@thermocline/contracts';

/**
 * Hashes of each sketch that neighbours are looked for by. Neurons that fire together share their
 * smallest hashes most often, so the first few find nearly all close pairs.
 */
const SEARCH_HASHES = 6;
/** How many of those that share a hash, next in hotness, a neuron is compared with. */
const NEIGHBOURS = 2;

/**
 * Orders cold neurons so that those that fire together lie together and one read brings several:
 * a path over the graph of estimated co-activation, its strongest edges first, each neuron once
 * (Ripple, arXiv 2410.19274, §4; duplicating neurons instead backfires). Paths follow each other
 * by how hot they are. Takes O(n log n) time; equal input gives equal output.
 *
 * @param neurons - ids to order, hottest first
 * @param sketches - co-activation of the layer, [n_ff × SKETCH_HASHES]
 * @returns the same ids in another order
 *
 * @example
 * const stored = clusterNeurons(order.subarray(cpuEnd), layer.coactivation);
 */
export function clusterNeurons(neurons: Uint32Array, sketches: Uint32Array): Uint32Array {
  const edges = strongestFirst(candidatePairs(neurons, sketches), neurons, sketches);
  const { next, degree } = linkPaths(neurons.length, edges);
  return walkPaths(neurons, next, degree);
}

/** Pairs of places in `neurons` that share one of their smallest hashes: a, b, a, b, … */
function candidatePairs(neurons: Uint32Array, sketches: Uint32Array): Uint32Array {
  // Sorted by hash, then by place: a number each. It has 53 bits, which 32 of the hash leave 21 of for
  // a place; with more places the hash goes without its lowest.
  const bits = Math.max(MIN_PLACE_BITS, Math.ceil(Math.log2(neurons.length)));
  const places = 2 ** bits;
  const dropped = bits - MIN_PLACE_BITS;
  const entries = new Float64Array(neurons.length * SEARCH_HASHES);
  let count = 0;
  for (let place = 0; place < neurons.length; place++) {
    const start = (neurons[place] as number) * SKETCH_HASHES;
    for (let k = 0; k < SEARCH_HASHES; k++) {
      const hash = sketches[start + k] as number;
      if (hash === SKETCH_EMPTY) break;
      entries[count++] = (hash >>> dropped) * places + place;
    }
  }
  const sorted = entries.subarray(0, count).sort();
  const pairs = new Uint32Array(2 * NEIGHBOURS * count);
  let end = 0;
  for (let i = 0; i < count; i++) {
    const entry = sorted[i] as number;
    const hash = Math.floor(entry / places);
    for (let j = i + 1; j <= i + NEIGHBOURS && j < count; j++) {
      const other = sorted[j] as number;
      if (Math.floor(other / places) !== hash) break;
      pairs[end++] = entry - hash * places;
      pairs[end++] = other - hash * places;
    }
  }
  return pairs.subarray(0, end);
}

/** What is left of an exact number beside a hash of 32 bits. */
const MIN_PLACE_BITS = 21;

/** The pairs by falling similarity. With 16 hashes it has few values, so they are counted out. */
function strongestFirst(
  pairs: Uint32Array,
  neurons: Uint32Array,
  sketches: Uint32Array,
): Uint32Array {
  const levels = 64;
  const count = pairs.length / 2;
  const level = new Uint8Array(count);
  const starts = new Uint32Array(levels + 2);
  for (let pair = 0; pair < count; pair++) {
    const a = neurons[pairs[2 * pair] as number] as number;
    const b = neurons[pairs[2 * pair + 1] as number] as number;
    const distance = Math.round(levels * (1 - estimateJaccard(sketches, a, b)));
    level[pair] = distance;
    starts[distance + 1] = (starts[distance + 1] as number) + 1;
  }
  for (let i = 0; i <= levels; i++) {
    starts[i + 1] = (starts[i + 1] as number) + (starts[i] as number);
  }
  const sorted = new Uint32Array(pairs.length);
  for (let pair = 0; pair < count; pair++) {
    const distance = level[pair] as number;
    const at = starts[distance] as number;
    starts[distance] = at + 1;
    sorted[2 * at] = pairs[2 * pair] as number;
    sorted[2 * at + 1] = pairs[2 * pair + 1] as number;
  }
  return sorted;
}

const NONE = 0xffff_ffff;

/** Takes edges as long as what they make is paths: no place with three, and no circle. */
function linkPaths(places: number, edges: Uint32Array): { next: Uint32Array; degree: Uint8Array } {
  const next = new Uint32Array(2 * places).fill(NONE);
  const degree = new Uint8Array(places);
  const parent = Uint32Array.from({ length: places }, (_, place) => place);
  const root = (place: number): number => {
    let at = place;
    while (parent[at] !== at) {
      const above = parent[parent[at] as number] as number;
      parent[at] = above;
      at = above;
    }
    return at;
  };
  for (let i = 0; i < edges.length; i += 2) {
    const a = edges[i] as number;
    const b = edges[i + 1] as number;
    if ((degree[a] as number) > 1 || (degree[b] as number) > 1) continue;
    const [left, right] = [root(a), root(b)];
    if (left === right) continue;
    parent[Math.max(left, right)] = Math.min(left, right);
    next[2 * a + (degree[a] as number)] = b;
    next[2 * b + (degree[b] as number)] = a;
    degree[a] = (degree[a] as number) + 1;
    degree[b] = (degree[b] as number) + 1;
  }
  return { next, degree };
}

/** Follows each path from the hotter of its ends. */
function walkPaths(neurons: Uint32Array, next: Uint32Array, degree: Uint8Array): Uint32Array {
  const order = new Uint32Array(neurons.length);
  const done = new Uint8Array(neurons.length);
  let count = 0;
  for (let start = 0; start < neurons.length; start++) {
    if (done[start] === 1 || (degree[start] as number) > 1) continue;
    let at = start;
    while (at !== NONE) {
      done[at] = 1;
      order[count++] = neurons[at] as number;
      const first = next[2 * at] as number;
      const second = next[2 * at + 1] as number;
      if (first !== NONE && done[first] === 0) at = first;
      else if (second !== NONE && done[second] === 0) at = second;
      else at = NONE;
    }
  }
  return order;
}
