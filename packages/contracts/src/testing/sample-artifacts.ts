import {
  type ActivationProfile,
  type DomainActivations,
  type LayerActivations,
  MAGNITUDE_BINS,
} from '../activation-profile.js';
import type { ArtifactOrigin } from '../artifact-origin.js';
import { SKETCH_EMPTY, SKETCH_HASHES } from '../coactivation.js';
import type { ModelInfo } from '../model-info.js';
import type { PlacementPlan } from '../placement-plan.js';
import type { LayerPredictor } from '../predictor-layer.js';
import {
  BLOCK_COLUMNS,
  PREDICTOR_TYPES,
  type PredictorMatrix,
  type PredictorType,
} from '../predictor-matrix.js';
import type { MeasuredLoss, PredictorSet } from '../predictor-set.js';

// Twelve layers, so that a reader which sorts them as text (10 before 2) is found out, and a
// different number of neurons in each, so that one which takes a neighbour's is found out too.
const LAYERS = 12;
const TOKENS = 5_000_000_000;
// Those of types that go by blocks of 32 columns.
const RANK = 32;
const D_MODEL = 32;
/** A predictor of every kind and type; the rest are `trained` and `factorised` in turn. */
const SAMPLE_KINDS = Array.from({ length: LAYERS }, (_, layer) => {
  if (layer === 5) return 'none';
  if (layer === 6) return 'signs';
  if (layer === 7) return 'gate';
  return layer % 2 === 0 ? 'trained' : 'factorised';
});

/** The model the samples are of. */
export function sampleModel(): ModelInfo {
  return {
    arch: 'llama',
    layers: LAYERS,
    d_model: D_MODEL,
    n_ff: Array.from({ length: LAYERS }, (_, layer) => 8 + layer * 5),
    experts: 1,
    heads: 4,
    kv_heads: 2,
    head_dim: 4,
    vocab: 256,
    tied: true,
    gated: true,
    activation: 'relu',
    context: 512,
    weight_types: { attention: 'F16', embedding: 'F16', ffn: 'Q8_0', head: 'F16', norm: 'F32' },
  };
}

/** Small artifacts of every format; the same values at every call, on every machine. */
export function sampleProfile(): ActivationProfile {
  const random = sequence(1);
  const layers = sampleModel().n_ff.map((neurons, layer) => {
    const fires = BigInt64Array.from({ length: neurons }, () => BigInt(random(TOKENS)));
    const absSum = Float64Array.from(fires, (count) => Number(count) / 8);
    const contribution = Float64Array.from(absSum, (sum, neuron) => sum * (1 + neuron / 4));
    const magnitudes = new BigInt64Array(MAGNITUDE_BINS).map(() => BigInt(random(1000)));
    const coactivation = sampleSketches(neurons, random);
    // Only what is required in every third layer: readers must cope with both.
    const optional =
      layer % 3 === 2
        ? {}
        : { absSum, contribution, magnitudes, threshold: layer / 8, coactivation };
    return { tokens: TOKENS, fires, ...optional };
  });
  return {
    ...sampleOrigin('sample profiler'),
    layers,
    domains: sampleDomains(layers),
    shards: [{ run: 'sample run', index: 1, count: 4 }],
  };
}

/** Sketches of neurons that fired on none, some or many tokens. */
function sampleSketches(neurons: number, random: (below: number) => number): Uint32Array {
  const sketches = new Uint32Array(neurons * SKETCH_HASHES).fill(SKETCH_EMPTY);
  for (let neuron = 0; neuron < neurons; neuron++) {
    const hashes = Array.from({ length: random(SKETCH_HASHES + 1) }, () => random(SKETCH_EMPTY));
    sketches.set(
      [...new Set(hashes)].sort((a, b) => a - b),
      neuron * SKETCH_HASHES,
    );
  }
  return sketches;
}

/** A quarter of the counts in one domain, the rest in the other. */
function sampleDomains(layers: readonly LayerActivations[]): DomainActivations[] {
  const quarter = layers.map(({ fires }) => fires.map((count) => count / 4n));
  return [
    { name: 'stories', tokens: layers.map(() => TOKENS / 4), fires: quarter },
    {
      name: 'encyclopædia',
      tokens: layers.map(() => TOKENS - TOKENS / 4),
      fires: layers.map(({ fires }, layer) =>
        fires.map((count, neuron) => count - (quarter[layer]?.[neuron] as bigint)),
      ),
    },
  ];
}

export function samplePlan(): PlacementPlan {
  const random = sequence(2);
  const layers = sampleModel().n_ff.map((neurons, layer) => {
    const gpuEnd = layer === 0 ? 0 : random(neurons + 1);
    const cpuEnd = layer === 1 ? neurons : gpuEnd + random(neurons - gpuEnd + 1);
    return { order: shuffled(neurons, random), tierEnd: [gpuEnd, cpuEnd] as const };
  });
  return {
    ...sampleOrigin('sample solver'),
    layers,
    budgetBytes: { gpu: 8 * 2 ** 30, cpu: 16 * 2 ** 30, flash: 2 ** 40 },
    usedBytes: { gpu: 6_000_000_000, cpu: 9_000_000_000, flash: 123_456_789_012 },
    dense: {
      attention: layers.map((_, layer) => (layer < 6 ? 'gpu' : 'cpu')),
      kvCache: layers.map((_, layer) => (layer < 4 ? 'gpu' : 'cpu')),
      predictors: layers.map(() => 'gpu'),
      embeddings: 'cpu',
      head: 'gpu',
      scratchBytes: { gpu: 1 << 20, cpu: 1 << 21, flash: 0 },
    },
    predicted: {
      secondsPerToken: 0.0625,
      parts: [
        { name: 'attention', seconds: 0.015625 },
        { name: 'ffn', seconds: 0.046875 },
      ],
    },
    solution: { objective: 'latency', value: 0.0625, bound: 0.0625, gap: 0 },
    workload: { mode: 'exact', contextTokens: 512, kvType: 'f16' },
    shadowPrices: { gpu: 2 ** -40, cpu: 2 ** -44, flash: 0 },
  };
}

export function samplePredictors(): PredictorSet {
  const random = sequence(3);
  const layers = sampleModel().n_ff.map((neurons, layer): LayerPredictor => {
    const kind = SAMPLE_KINDS[layer] ?? 'none';
    if (kind === 'none') return { kind };
    const reads = layer >= 8 ? 'previous-layer' : 'same-layer';
    const heldOut = {
      recallCount: 0.9375,
      recallValue: 0.96875,
      overPrediction: 1.25,
      tokens: 8192,
    };
    const common = {
      reads,
      ...(layer % 2 === 0 && { heldOut: { ...heldOut, density: 0.125 } }),
      ...(layer >= 8 && { sameLayer: heldOut }),
      threshold: new Float32Array(layer < 6 ? 1 : neurons).map(() => random(64) / 64),
      ...(layer % 3 === 0 && { calibration: sampleCalibration(layer) }),
    } as const;
    if (kind === 'gate') return { ...common, kind, reads: 'same-layer' };
    if (kind === 'signs')
      return { ...common, kind, signs: randomBytes((neurons * D_MODEL) / 8, random) };
    const type = PREDICTOR_TYPES[layer % PREDICTOR_TYPES.length] as PredictorType;
    return {
      ...common,
      kind,
      down: matrix(type, RANK, D_MODEL, random),
      up: matrix(type, neurons, RANK, random),
    };
  });
  const loss = { perplexity: 8.0625, densePerplexity: 8, tokens: 8192 };
  const measured: MeasuredLoss[] = [
    { ...loss, mode: 'predicted', recall: 0.96875 },
    { ...loss, mode: 'threshold', sparsity: 0.5 },
  ];
  return { ...sampleOrigin('sample trainer'), layers, measured };
}

function sampleCalibration(layer: number): Float32Array {
  return Float32Array.of(0.875, 0.125, layer / 64, 0.90625, 0.96875, 0.25, -layer / 64, 0.984375);
}

function randomBytes(length: number, random: (below: number) => number): Uint8Array {
  return new Uint8Array(length).map(() => random(256));
}

function sampleOrigin(tool: string): ArtifactOrigin {
  return {
    fingerprint: '00112233445566778899aabbccddeeff',
    model: sampleModel(),
    corpora: [{ name: 'stories – été.txt', sha256: 'ab'.repeat(32), tokens: 131_072 }],
    madeBy: { tool, version: '0.1.0', options: { seed: 1, windowTokens: 512 } },
  };
}

function matrix(
  type: PredictorMatrix['type'],
  rows: number,
  columns: number,
  random: (below: number) => number,
): PredictorMatrix {
  const length = rows * columns;
  if (type === 'F32') {
    const values = new Float32Array(length).map(() => random(256) / 64 - 2);
    return { type, rows, columns, values };
  }
  if (type === 'I8') {
    const values = new Int8Array(length).map(() => random(255) - 127);
    const scale = new Float32Array(rows).map(() => (1 + random(7)) / 512);
    return { type, rows, columns, values, scale };
  }
  if (type === 'Q8_0' || type === 'Q4_0') {
    const scale = new Uint16Array(length / BLOCK_COLUMNS).map(() => 0x1000 | random(0x400));
    return type === 'Q8_0'
      ? { type, rows, columns, values: new Int8Array(length).map(() => random(255) - 127), scale }
      : { type, rows, columns, values: randomBytes(length / 2, random), scale };
  }
  // Bits of halves below 2 in magnitude, of either sign, in either 16-bit format.
  const values = new Uint16Array(length).map(() => random(0x3c00) | (random(2) << 15));
  return { type, rows, columns, values };
}

function shuffled(length: number, random: (below: number) => number): Uint32Array {
  const order = Uint32Array.from({ length }, (_, index) => index);
  for (let i = length - 1; i > 0; i--) {
    const j = random(i + 1);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}

/** Whole numbers from a fixed start (a 48-bit linear congruential generator). */
function sequence(seed: number): (below: number) => number {
  let state = BigInt(seed);
  return (below) => {
    state = (state * 0x5deece66dn + 11n) & 0xffff_ffff_ffffn;
    return Number((state * BigInt(below)) >> 48n);
  };
}
