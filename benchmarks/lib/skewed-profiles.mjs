// Profiles of large models' shapes, with planted firing rates: what a solver needs of them is real.

const TOKENS = 131_072;

/**
 * @typedef {object} Shape
 * @property {string} name
 * @property {number} layers
 * @property {number} neurons of one layer, all experts together
 * @property {number} firing mean share of the neurons that fire for a token
 * @property {Record<string, unknown>} model fields of its `ModelInfo`
 */

/** @type {Shape[]} */
export const SHAPES = [
  {
    name: 'opt-175b',
    layers: 96,
    neurons: 49_152,
    firing: 0.03,
    model: {
      arch: 'opt',
      d_model: 12_288,
      heads: 96,
      kv_heads: 96,
      head_dim: 128,
      vocab: 50_272,
      tied: true,
      gated: false,
      context: 2048,
      weight_types: { embedding: 'F16', attention: 'Q4_0', ffn: 'Q4_0' },
    },
  },
  {
    name: 'falcon-40b',
    layers: 60,
    neurons: 32_768,
    firing: 0.05,
    model: {
      arch: 'falcon',
      d_model: 8192,
      heads: 128,
      kv_heads: 8,
      head_dim: 64,
      vocab: 65_024,
      gated: false,
      context: 2048,
      weight_types: { embedding: 'F16', attention: 'F16', ffn: 'F16', output: 'F16' },
    },
  },
  {
    name: 'llama-70b',
    layers: 80,
    neurons: 28_672,
    firing: 0.18,
    model: {
      d_model: 8192,
      heads: 64,
      kv_heads: 8,
      head_dim: 128,
      vocab: 32_000,
      context: 4096,
      weight_types: { embedding: 'Q4_0', attention: 'Q4_0', ffn: 'Q4_0', output: 'Q4_0' },
    },
  },
  {
    name: 'mixture-128',
    layers: 23,
    neurons: 128 * 1856,
    firing: 0.02,
    model: {
      d_model: 2688,
      experts: 128,
      heads: 32,
      kv_heads: 2,
      head_dim: 128,
      vocab: 131_072,
      gated: false,
      context: 4096,
      weight_types: { embedding: 'F16', attention: 'F16', ffn: 'F16', output: 'F16' },
    },
  },
];

/**
 * A profile whose firing rates fall off as a power of the rank, more steeply in some layers than in
 * others, with noise, in no order of ids; the same for a seed.
 *
 * @param {Shape} shape
 * @param {number} [seed]
 * @returns {import('@thermocline/contracts').ActivationProfile}
 */
export function skewedProfile({ name, layers, neurons, firing, model }, seed = 7) {
  const random = randomNumbers(seed);
  const info = {
    arch: 'llama',
    tied: false,
    gated: true,
    activation: 'relu',
    experts: 1,
    ...model,
    layers,
    n_ff: Array.from({ length: layers }, () => neurons),
  };
  return {
    fingerprint: `planted-${name}-${seed}`,
    model: /** @type {import('@thermocline/contracts').ModelInfo} */ (info),
    corpora: [{ name: 'planted', sha256: '0'.repeat(64), tokens: TOKENS }],
    layers: Array.from({ length: layers }, () => {
      const steepness = 0.6 + 0.6 * random();
      const mean = firing * (0.5 + random());
      const weights = Float64Array.from(
        { length: neurons },
        (_, rank) => (rank + 20) ** -steepness * (0.5 + random()),
      );
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const rates = weights.map((weight) => Math.min(1, (weight / total) * neurons * mean));
      shuffle(rates, random);
      const fires = BigInt64Array.from(rates, (rate) => BigInt(Math.round(rate * TOKENS)));
      return { tokens: TOKENS, fires };
    }),
  };
}

/** @param {Float64Array} values @param {() => number} random */
function shuffle(values, random) {
  for (let i = values.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const [a, b] = [values[i] ?? 0, values[j] ?? 0];
    values[i] = b;
    values[j] = a;
  }
}

/** Numbers in 0..1 (mulberry32). @param {number} seed */
function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
