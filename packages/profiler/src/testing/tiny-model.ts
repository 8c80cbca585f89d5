import {
  type ActivationSource,
  type ActivationSums,
  MAGNITUDE_BINS,
  type ModelInfo,
  mergeSketches,
  type ObservationBatch,
  PipelineError,
  SKETCH_EMPTY,
  SKETCH_HASHES,
  type SumOptions,
  type TokenWindow,
  tokenHash,
} from '@thermocline/contracts';

const D_MODEL = 8;
const N_FF = [12, 20, 28];
const BOS = 256;

/** One token of one layer. */
interface Row {
  layer: number;
  document: number;
  position: number;
  /** [n_ff] */
  h: Float32Array;
}

export interface TinyModelOptions {
  activation?: 'relu' | 'silu';
  /** Called before each window is read. */
  onWindow?(window: TokenWindow): void | Promise<void>;
}

/**
 * A model small enough for property tests that truly computes: the hidden state is a decaying sum
 * of the embeddings since the beginning of the window, and every layer adds its own FFN to it.
 * Tokens are the bytes of a text.
 */
export function tinyModel(options: TinyModelOptions = {}): ActivationSource {
  const { activation = 'relu', onWindow } = options;
  const model: ModelInfo = {
    arch: 'tiny',
    layers: N_FF.length,
    d_model: D_MODEL,
    n_ff: N_FF,
    experts: 1,
    heads: 1,
    kv_heads: 1,
    head_dim: D_MODEL,
    vocab: BOS + 1,
    tied: true,
    gated: false,
    activation,
    context: 64,
    weight_types: {},
  };
  async function* rows(windows: Windows, signal?: AbortSignal): AsyncGenerator<Row> {
    for await (const window of windows) {
      await onWindow?.(window);
      await new Promise((resolve) => setImmediate(resolve));
      if (signal?.aborted) throw new PipelineError('ABORTED', 'Aborted.', { reason: 'signal' });
      yield* readWindow(window, activation);
    }
  }
  return {
    model,
    fingerprint: `tiny-${activation}`,
    async tokenize(text, { addSpecial = false } = {}) {
      return Int32Array.from([...(addSpecial ? [BOS] : []), ...Buffer.from(text)]);
    },
    async *observe(windows, { layers, streams, signal }) {
      for await (const { layer, document, position, h } of rows(windows, signal)) {
        if (layers && !layers.includes(layer)) continue;
        for (const stream of streams) {
          const values = stream === 'activation' ? h : new Float32Array(D_MODEL);
          const batch: ObservationBatch = {
            layer,
            stream,
            width: values.length,
            values,
            documents: Uint32Array.of(document),
            positions: Uint32Array.of(position),
          };
          yield batch;
        }
      }
    },
    async sum(windows, sumOptions = {}) {
      const sums = emptySums(sumOptions);
      for await (const row of rows(windows, sumOptions.signal)) addRow(sums, row, sumOptions);
      return sums;
    },
  };
}

type Windows = Iterable<TokenWindow> | AsyncIterable<TokenWindow>;

function* readWindow(
  { tokens, document, position }: TokenWindow,
  activation: 'relu' | 'silu',
): Generator<Row> {
  const memory = new Float32Array(D_MODEL);
  for (let i = 0; i < tokens.length; i++) {
    for (let d = 0; d < D_MODEL; d++) {
      memory[d] = 0.5 * (memory[d] as number) + weight(tokens[i] as number, d, 0);
    }
    const x = memory.slice();
    for (const [layer, neurons] of N_FF.entries()) {
      const h = new Float32Array(neurons);
      for (let n = 0; n < neurons; n++) {
        let z = -0.5;
        for (let d = 0; d < D_MODEL; d++) z += (x[d] as number) * weight(n, d, layer + 1);
        h[n] = activation === 'relu' ? Math.max(0, z) : z / (1 + Math.exp(-z));
      }
      for (let n = 0; n < neurons; n++) {
        const d = n % D_MODEL;
        x[d] = (x[d] as number) + 0.1 * (h[n] as number);
      }
      yield { layer, document, position: position + i, h };
    }
  }
}

/** A number in [−1, 1) for a place in a matrix. */
function weight(row: number, column: number, matrix: number): number {
  return tokenHash(matrix, row, column) / 2 ** 31 - 1;
}

function emptySums({ sketch }: SumOptions) {
  return {
    tokens: N_FF.map(() => 0),
    fires: N_FF.map((neurons) => new BigInt64Array(neurons)),
    absSum: N_FF.map((neurons) => new Float64Array(neurons)),
    contribution: N_FF.map((neurons) => new Float64Array(neurons)),
    magnitudes: N_FF.map(() => new BigInt64Array(MAGNITUDE_BINS)),
    ...(sketch && {
      coactivation: N_FF.map((n) => new Uint32Array(n * SKETCH_HASHES).fill(SKETCH_EMPTY)),
    }),
  } satisfies ActivationSums;
}

function addRow(
  sums: ReturnType<typeof emptySums>,
  { layer, document, position, h }: Row,
  { thresholds, sketch }: SumOptions,
): void {
  const threshold = thresholds?.[layer] ?? 0;
  const at = <T>(arrays: T[]) => arrays[layer] as T;
  const seen = new Uint32Array(h.length * SKETCH_HASHES).fill(SKETCH_EMPTY);
  const hash = tokenHash(sketch?.salt ?? 0, document, position);
  sums.tokens[layer] = at(sums.tokens) + 1;
  for (const [n, value] of h.entries()) {
    const magnitude = Math.abs(value);
    const log = Math.floor((Math.log2(magnitude) + 24) * 8);
    const bin = Math.min(MAGNITUDE_BINS - 1, Math.max(0, log));
    at(sums.magnitudes)[bin] = (at(sums.magnitudes)[bin] as bigint) + 1n;
    at(sums.absSum)[n] = (at(sums.absSum)[n] as number) + magnitude;
    at(sums.contribution)[n] = (at(sums.contribution)[n] as number) + magnitude * (1 + n / 7);
    if (magnitude <= threshold) continue;
    at(sums.fires)[n] = (at(sums.fires)[n] as bigint) + 1n;
    seen[n * SKETCH_HASHES] = hash;
  }
  if (sums.coactivation) mergeSketches(at(sums.coactivation), seen);
}
