// How many reads cold neurons take from flash, by the order they are stored in: by id, by how often
// they fire, and clustered by what fires together. Counted, not timed: the demo model reads held-out
// text, and what fires of the cold neurons is fetched in runs of neighbours.
//
//   node benchmarks/flash-layout.mjs
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { estimateJaccard, SKETCH_EMPTY, SKETCH_HASHES, tokenHash } from '@thermocline/contracts';
import { openEngine } from '@thermocline/engine-native';
import { readTokenIds } from '@thermocline/profiler';
import { clusterNeurons } from '@thermocline/solver';
import { demoModel } from './lib/models.mjs';
import { printTable, writeResults } from './lib/results.mjs';

const DEMO = join(import.meta.dirname ?? '.', '..', 'packages', 'demo-model');
const WINDOW = 512;
/** Reads are merged up to this size, as larger ones gain nothing on the drives measured. */
const LARGEST_READ = 32 << 10;
const GAPS = [0, 2, 4];
/** Parts of the neurons, the coldest, that are taken to live on flash. */
const COLD_SHARES = [0.5, 0.75, 0.9];

/** @typedef {{ counts: Uint32Array, sketches: Uint32Array }} Watched what a profile says of a layer */
/** @typedef {(layer: number, fired: number[]) => void} OnToken */

/**
 * @param {readonly number[]} ids
 * @param {number} document
 */
function windowsOf(ids, document) {
  const windows = [];
  for (let position = 0; position < ids.length; position += WINDOW) {
    windows.push({ tokens: ids.slice(position, position + WINDOW), document, position });
  }
  return windows;
}

/**
 * @param {import('@thermocline/engine-native').NativeEngine} engine
 * @param {readonly number[]} ids
 * @param {(layer: number, position: number, fired: number[]) => void} visit
 */
async function watch(engine, ids, visit) {
  for await (const batch of engine.observe(windowsOf(ids, 0), { streams: ['activation'] })) {
    for (const [row, position] of batch.positions.entries()) {
      /** @type {number[]} */
      const fired = [];
      const values = batch.values.subarray(row * batch.width, (row + 1) * batch.width);
      for (let neuron = 0; neuron < batch.width; neuron++) {
        if (values[neuron] !== 0) fired.push(neuron);
      }
      visit(batch.layer, position, fired);
    }
  }
}

/**
 * Keeps the smallest hashes of the tokens on which each neuron fired.
 *
 * @param {Watched} layer
 * @param {number} neuron
 * @param {number} hash
 */
function addToSketch({ counts, sketches }, neuron, hash) {
  counts[neuron] = (counts[neuron] ?? 0) + 1;
  const start = neuron * SKETCH_HASHES;
  let at = start + SKETCH_HASHES - 1;
  if (hash >= (sketches[at] ?? 0)) return;
  while (at > start && (sketches[at - 1] ?? 0) > hash) {
    sketches[at] = sketches[at - 1] ?? 0;
    at--;
  }
  sketches[at] = hash;
}

/**
 * Reads that fetch the neurons at `places`, and the bundles that come with them.
 *
 * @param {readonly number[]} places
 * @param {number} gap bundles read for nothing rather than beginning a new read
 * @param {number} most bundles in one read
 */
function countReads(places, gap, most) {
  const sorted = [...places].sort((a, b) => a - b);
  let [reads, bundles, start, end] = [0, 0, Number.NaN, Number.NaN];
  for (const place of sorted) {
    if (place - end <= gap + 1 && place - start < most) {
      bundles += place - end;
    } else {
      reads++;
      bundles++;
      start = place;
    }
    end = place;
  }
  return { reads, bundles };
}

const engine = await openEngine(demoModel.path);
const { model } = engine.info;
const neurons = model.n_ff[0] ?? 0;
const profileText = readFileSync(join(DEMO, 'texts', 'stories.txt'), 'utf8');
const profileIds = Array.from(await engine.tokenize(profileText));
const slice = await readTokenIds(join(DEMO, 'reference', 'valid-slice-8k.npy'));
const heldOut = Array.from(slice).slice(0, 8192);

/** @type {Watched[]} */
const layers = model.n_ff.map((n) => ({
  counts: new Uint32Array(n),
  sketches: new Uint32Array(n * SKETCH_HASHES).fill(SKETCH_EMPTY),
}));
await watch(engine, profileIds, (layer, position, fired) => {
  const watched = layers[layer];
  const hash = tokenHash(0, 0, position);
  if (watched) for (const neuron of fired) addToSketch(watched, neuron, hash);
});
/** @type {number[][][]} */
const tokens = model.n_ff.map(() => []);
await watch(engine, heldOut, (layer, _, fired) => tokens[layer]?.push(fired));
await engine.close();

const bundleBytes = 3 * 2 * model.d_model;
const rows = [];
for (const share of COLD_SHARES) {
  const layouts = layers.map(({ counts, sketches }) => {
    const hottest = [...counts.keys()].sort((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0) || a - b);
    const cold = Uint32Array.from(hottest.slice(Math.round(neurons * (1 - share))));
    const clustered = clusterNeurons(cold, sketches);
    let similar = 0;
    for (let i = 1; i < clustered.length; i++) {
      similar += estimateJaccard(sketches, clustered[i - 1] ?? 0, clustered[i] ?? 0);
    }
    return {
      id: Uint32Array.from(cold).sort(),
      hotness: cold,
      clustered,
      similar: similar / clustered.length,
    };
  });
  for (const gap of GAPS) {
    for (const name of /** @type {const} */ (['id', 'hotness', 'clustered'])) {
      let [reads, bundles, fired] = [0, 0, 0];
      for (const [layer, layout] of layouts.entries()) {
        const place = new Int32Array(neurons).fill(-1);
        for (const [at, neuron] of layout[name].entries()) place[neuron] = at;
        for (const list of tokens[layer] ?? []) {
          const places = list.map((neuron) => place[neuron] ?? -1).filter((at) => at >= 0);
          const counted = countReads(places, gap, Math.floor(LARGEST_READ / bundleBytes));
          reads += counted.reads;
          bundles += counted.bundles;
          fired += places.length;
        }
      }
      const count = heldOut.length;
      rows.push({
        cold_share: share,
        gap,
        order: name,
        cold_fired_per_token: fired / count,
        reads_per_token: reads / count,
        neurons_per_read: fired / reads,
        kib_read_per_token: (bundles * bundleBytes) / 1024 / count,
      });
    }
  }
}
printTable(rows);
console.log(`\nprofiled on ${profileIds.length} tokens, counted on ${heldOut.length} others`);
console.log(writeResults('flash-layout', rows));
