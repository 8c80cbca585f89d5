import {
  type ActivationProfile,
  type ActivationSource,
  type FfnWeights,
  type FirstMatrix,
  type ModelInfo,
  type ObservationBatch,
  PipelineError,
  type TokenWindow,
  tokenHash,
} from '@thermocline/contracts';

const D_MODEL = 64;
/** Of the matrices that decide what fires, up to some noise. */
const TRUE_RANK = 12;
const VOCAB = 256;
/** Lets about a fifth of the neurons fire. */
const BIAS = -2;

export interface TinyOptions {
  activation?: 'relu' | 'silu';
  layers?: readonly number[];
  /** |h| above which its profile counts a neuron as firing. */
  threshold?: number;
  /** Called before each window is read. */
  onWindow?(window: TokenWindow): void | Promise<void>;
  /** Change what is shown, such as to spoil it. */
  spoil?(batch: ObservationBatch): void;
}

export interface TinyModel extends ActivationSource, FfnWeights {
  /** What a profiler would find on these windows. */
  profile(windows: Iterable<TokenWindow>): Promise<ActivationProfile>;
}

/**
 * A model small enough for tests that truly computes: the hidden state is a decaying sum of
 * embeddings, brought to length √d, and every layer adds a gated FFN of it. What fires is decided by a
 * matrix of low rank and some noise, as in real models.
 */
export function tinyModel(options: TinyOptions = {}): TinyModel {
  const { activation = 'relu', layers = [48, 64, 80], onWindow, spoil } = options;
  const model: ModelInfo = {
    arch: 'tiny',
    layers: layers.length,
    d_model: D_MODEL,
    n_ff: [...layers],
    experts: 1,
    heads: 1,
    kv_heads: 1,
    head_dim: D_MODEL,
    vocab: VOCAB,
    tied: true,
    gated: true,
    activation,
    context: 256,
    weight_types: { ffn: 'F16' },
  };
  const ffns = layers.map((neurons, layer) => makeFfn(neurons, layer));
  const act = (z: number) => (activation === 'relu' ? Math.max(0, z) : z / (1 + Math.exp(-z)));

  function* rowsOf({ tokens }: TokenWindow): Generator<{ x: Float32Array; h: Float32Array }[]> {
    const memory = new Float64Array(D_MODEL);
    for (let i = 0; i < tokens.length; i++) {
      for (let d = 0; d < D_MODEL; d++) {
        memory[d] = 0.6 * (memory[d] as number) + weight(tokens[i] as number, d, 0);
      }
      const residual = memory.slice();
      yield ffns.map((ffn) => {
        const x = normalised(residual);
        const h = new Float32Array(ffn.neurons);
        for (let n = 0; n < ffn.neurons; n++) {
          const gate = dot(ffn.gate, n, x) + BIAS;
          h[n] = act(gate) * dot(ffn.up, n, x);
          const d = n % D_MODEL;
          residual[d] = (residual[d] as number) + 0.05 * (h[n] as number);
        }
        return { x, h };
      });
    }
  }

  return {
    model,
    fingerprint: `tiny-${activation}-${layers.join('-')}`,
    async tokenize(text) {
      return Int32Array.from(Buffer.from(text));
    },
    async *observe(windows, { layers: watched, streams, signal }) {
      for await (const window of windows) {
        await onWindow?.(window);
        if (signal?.aborted) throw new PipelineError('ABORTED', 'Aborted.', { reason: 'signal' });
        const rows = [...rowsOf(window)];
        for (const [layer, neurons] of model.n_ff.entries()) {
          if (watched && !watched.includes(layer)) continue;
          for (const stream of streams) {
            const width = stream === 'activation' ? neurons : D_MODEL;
            const values = new Float32Array(rows.length * width);
            for (const [i, row] of rows.entries()) {
              const { x, h } = row[layer] as { x: Float32Array; h: Float32Array };
              values.set(stream === 'activation' ? h : x, i * width);
            }
            const positions = Uint32Array.from(rows, (_, i) => window.position + i);
            const documents = new Uint32Array(rows.length).fill(window.document);
            const batch = { layer, stream, width, values, documents, positions };
            spoil?.(batch);
            yield batch;
          }
        }
      }
    },
    sum() {
      throw new Error('The trainer does not count.');
    },
    async readFirstMatrix(layer): Promise<FirstMatrix> {
      const { gate, neurons } = ffns[layer] as Ffn;
      return { weights: gate, bias: new Float32Array(neurons).fill(BIAS) };
    },
    async profile(windows) {
      const { threshold = activation === 'relu' ? 0 : 0.2 } = options;
      const counted = ffns.map(({ neurons }) => ({
        tokens: 0,
        fires: new BigInt64Array(neurons),
        absSum: new Float64Array(neurons),
        contribution: new Float64Array(neurons),
        ...(threshold > 0 && { threshold: Math.fround(threshold) }),
      }));
      for (const window of windows) {
        for (const row of rowsOf(window)) {
          for (const [layer, { h }] of row.entries())
            count(counted[layer] as Counted, h, threshold);
        }
      }
      return { fingerprint: this.fingerprint, model, corpora: [], layers: counted };
    },
  };
}

/** Windows of pseudo-random tokens in which some follow others. */
export function tinyWindows(count: number, length = 48): TokenWindow[] {
  return Array.from({ length: count }, (_, document) => {
    const tokens = new Int32Array(length);
    for (let i = 0; i < length; i++) {
      const hash = tokenHash(7, document, i);
      tokens[i] = hash % 3 === 0 && i > 0 ? ((tokens[i - 1] as number) * 5 + 1) % 97 : hash % 97;
    }
    return { tokens, document, position: 0 };
  });
}

interface Ffn {
  neurons: number;
  /** [neurons × D_MODEL] */
  gate: Float32Array;
  up: Float32Array;
}

interface Counted {
  tokens: number;
  fires: BigInt64Array;
  absSum: Float64Array;
  contribution: Float64Array;
}

function count(layer: Counted, h: Float32Array, threshold: number): void {
  layer.tokens++;
  for (const [n, value] of h.entries()) {
    const magnitude = Math.abs(value);
    layer.absSum[n] = (layer.absSum[n] as number) + magnitude;
    layer.contribution[n] = (layer.contribution[n] as number) + magnitude * (1 + (n % 5) / 4);
    if (magnitude > threshold) layer.fires[n] = (layer.fires[n] as bigint) + 1n;
  }
}

function makeFfn(neurons: number, layer: number): Ffn {
  const gate = new Float32Array(neurons * D_MODEL);
  const up = new Float32Array(neurons * D_MODEL);
  for (let n = 0; n < neurons; n++) {
    for (let d = 0; d < D_MODEL; d++) {
      let sum = 0.25 * weight(n, d, 10 * layer + 1);
      for (let r = 0; r < TRUE_RANK; r++) {
        sum += weight(n, r, 10 * layer + 2) * weight(r, d, 10 * layer + 3);
      }
      gate[n * D_MODEL + d] = sum / Math.sqrt(TRUE_RANK);
      up[n * D_MODEL + d] = weight(n, d, 10 * layer + 4) / 4;
    }
  }
  return { neurons, gate, up };
}

/** A number in [−1, 1) for a place in a matrix. */
function weight(row: number, column: number, matrix: number): number {
  return tokenHash(matrix, row, column) / 2 ** 31 - 1;
}

function normalised(residual: Float64Array): Float32Array {
  const square = residual.reduce((sum, value) => sum + value * value, 1e-9);
  const scale = Math.sqrt(D_MODEL / square);
  return Float32Array.from(residual, (value) => value * scale);
}

function dot(matrix: Float32Array, row: number, x: Float32Array): number {
  let sum = 0;
  for (let d = 0; d < D_MODEL; d++) sum += (matrix[row * D_MODEL + d] as number) * (x[d] as number);
  return sum;
}
