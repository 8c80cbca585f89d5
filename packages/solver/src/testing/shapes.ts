import type { ActivationProfile, HardwareInfo, ModelInfo } from '@thermocline/contracts';

/** A small gated ReLU model; `fields` replaces what a test is about. */
export function shape(fields: Partial<ModelInfo> = {}): ModelInfo {
  const layers = fields.layers ?? 4;
  return {
    arch: 'llama',
    layers,
    d_model: 256,
    n_ff: new Array<number>(layers).fill(640),
    experts: 1,
    heads: 4,
    kv_heads: 2,
    head_dim: 64,
    vocab: 4096,
    tied: false,
    gated: true,
    activation: 'relu',
    context: 512,
    weight_types: { embedding: 'F16', attention: 'F16', ffn: 'F16', output: 'F16' },
    ...fields,
  };
}

/** OPT-175B in 4 bits: 96 layers of 49,152 neurons. */
export const OPT_175B = shape({
  arch: 'opt',
  layers: 96,
  d_model: 12288,
  n_ff: new Array<number>(96).fill(49152),
  heads: 96,
  kv_heads: 96,
  head_dim: 128,
  vocab: 50272,
  tied: true,
  gated: false,
  context: 2048,
  weight_types: { embedding: 'F16', attention: 'Q4_0', ffn: 'Q4_0' },
});

/** LLaMA-70B with ReGLU, in 4 bits. */
export const LLAMA_70B = shape({
  layers: 80,
  d_model: 8192,
  n_ff: new Array<number>(80).fill(28672),
  heads: 64,
  kv_heads: 8,
  head_dim: 128,
  vocab: 32000,
  context: 4096,
  weight_types: { embedding: 'Q4_0', attention: 'Q4_0', ffn: 'Q4_0', output: 'Q4_0' },
});

/** Whole pseudo-random numbers below `limit`, the same for a seed. */
export function randomNumbers(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** A profile whose counts fall off steeply, in no order of ids. */
export function profileOf(model: ModelInfo, seed = 1, tokens = 10_000): ActivationProfile {
  const random = randomNumbers(seed);
  return {
    fingerprint: `test-${seed}`,
    model,
    corpora: [{ name: 'test', sha256: '0'.repeat(64), tokens }],
    layers: model.n_ff.map((neurons) => ({
      tokens,
      fires: BigInt64Array.from({ length: neurons }, () =>
        BigInt(Math.floor(tokens * (random(1000) / 1000) ** 4)),
      ),
    })),
  };
}

/** A machine small enough that the small model fills its tiers. */
export function machine(tiers: Partial<HardwareInfo['tiers']> = {}): HardwareInfo {
  return {
    name: 'test-machine',
    cpu: { model: 'test', cores: 4, threads: 4, features: [] },
    tiers: {
      cpu: {
        device: 'memory',
        capacityBytes: 64e6,
        availableBytes: 60e6,
        sequentialBytesPerSecond: 50e9,
        random: [
          { blockBytes: 512, bytesPerSecond: 10e9 },
          { blockBytes: 4096, bytesPerSecond: 40e9 },
        ],
        syncSeconds: 1e-6,
      },
      ...tiers,
    },
  };
}

export const GPU: NonNullable<HardwareInfo['tiers']['gpu']> = {
  device: 'card',
  capacityBytes: 16e6,
  availableBytes: 14e6,
  sequentialBytesPerSecond: 800e9,
  random: [],
  syncSeconds: 2e-6,
};

export const FLASH: NonNullable<HardwareInfo['tiers']['flash']> = {
  device: 'drive',
  capacityBytes: 1e9,
  availableBytes: 1e9,
  sequentialBytesPerSecond: 2e9,
  random: [
    { blockBytes: 4096, bytesPerSecond: 0.1e9, queueDepth: 1 },
    { blockBytes: 4096, bytesPerSecond: 0.4e9, queueDepth: 32 },
    { blockBytes: 65536, bytesPerSecond: 1.6e9, queueDepth: 32 },
  ],
  syncSeconds: 1e-4,
};
