import {
  type FirstMatrix,
  type FitOptions,
  type LayerPredictor,
  type LowRankPredictor,
  PipelineError,
  type PredictorMath,
  type SampleSet,
  type ScoreCurve,
} from '@thermocline/contracts';
import { dot, eigenvectors, multiply, pack, type Rows, unpack } from './dense-matrix.js';
import { readSamples, type SampleRow } from './read-samples.js';

export interface ExactMathOptions {
  /** Called before each fit, such as to end it. */
  onFit?(options: FitOptions): void | Promise<void>;
}

/**
 * The mathematics of predictors in plain TypeScript, without haste: for models of a few hundred
 * neurons, so that tests need no native code.
 */
export function exactMath({ onFit }: ExactMathOptions = {}): PredictorMath {
  return {
    async fit(train, heldOut, options) {
      await onFit?.(options);
      if (options.signal?.aborted) {
        throw new PipelineError('ABORTED', 'Aborted.', { reason: 'signal' });
      }
      const samples = await readSamples(train);
      const common = { reads: 'same-layer', threshold: Float32Array.of(0) } as const;
      options.onProgress?.(0.5, null);
      switch (options.kind) {
        case 'gate':
          return {
            predictor: { ...common, kind: 'gate' },
            scales: gateScales(samples, train, options),
          };
        case 'signs':
          return { predictor: { ...common, kind: 'signs', signs: signsOf(firstOf(options)) } };
        case 'factorised':
          return { predictor: { ...common, ...factorised(options) } };
        default:
          return trained(samples, await readSamples(heldOut), train, options);
      }
    },
    async score(samples, predictor, { first, activation, scales, points = 512 } = {}) {
      const rows = await readSamples(samples);
      const plain = scorerOf(predictor, first, activation);
      const score: Scorer = (x) =>
        Array.from(plain(x), (value, n) => value * (scales ? (scales[n] as number) : 1));
      return curveOf(rows, samples, score, thresholdOf(predictor), points);
    },
    async close() {},
  };
}

type Scorer = (x: Float64Array) => ArrayLike<number>;

/** What a unit of each neuron's score is worth: Σ value ÷ Σ score. */
function gateScales(samples: SampleRow[], { norms }: SampleSet, options: FitOptions): Float32Array {
  const score = scorerOf({ kind: 'gate' } as LayerPredictor, options.first, options.activation);
  const sums = Array.from(norms, () => ({ value: 1e-3, score: 1e-3 }));
  for (const { x, h } of samples) {
    for (const [n, value] of Array.from(score(x)).entries()) {
      const sum = sums[n] as (typeof sums)[number];
      sum.value += (h[n] as number) * (norms[n] as number);
      sum.score += value;
    }
  }
  return Float32Array.from(sums, (sum) => sum.value / sum.score);
}

function factorised(options: FitOptions): Pick<LowRankPredictor, 'kind' | 'down' | 'up'> {
  const { gate } = firstOf(options);
  const width = (gate[0] as Float64Array).length;
  const columns = Array.from({ length: width }, (_, d) =>
    Float64Array.from(gate, (row) => row[d] as number),
  );
  const square = columns.map((column) => multiply(columns, column));
  const vectors = eigenvectors(square).slice(0, options.rank);
  return {
    kind: 'factorised',
    down: pack(vectors, 'F32'),
    up: pack(
      gate.map((row) => multiply(vectors, row)),
      'F32',
    ),
  };
}

/** Adam on weighted cross-entropy, from the factorisation where there are weights. */
function trained(
  train: SampleRow[],
  heldOut: SampleRow[],
  { norms }: SampleSet,
  options: FitOptions,
) {
  const { rank = 32, epochs = 2, seed = 0, onProgress } = options;
  const width = (train[0] as SampleRow).x.length;
  const random = (i: number) => Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 0.2;
  let down: Rows = Array.from({ length: rank }, (_, r) =>
    Float64Array.from({ length: width }, (_unused, d) => random(r * width + d)),
  );
  let up: Rows = Array.from(norms, (_, n) =>
    Float64Array.from({ length: rank }, (_unused, r) => random(-n * rank - r)),
  );
  if (options.first && rank % 2 === 0) {
    // ReLU of a pair of opposite rows passes any number: half the rank, exactly.
    const half = factorised({ ...options, rank: rank / 2 });
    const [rows, columns] = [unpack(half.down), unpack(half.up)];
    down = rows.flatMap((row) => [row, row.map((value) => -value)]);
    up = columns.map((row) => Float64Array.from([...row].flatMap((value) => [value, -value])));
  }
  const heldOutLoss: number[] = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (const row of train) step(down, up, row, norms, 0.01 / (1 + epoch));
    const losses = heldOut.map((row) => lossOf(down, up, row, norms));
    heldOutLoss.push(losses.reduce((sum, loss) => sum + loss, 0) / losses.length);
    onProgress?.((epoch + 1) / epochs, heldOutLoss.at(-1) ?? null);
  }
  const type = options.type === 'F32' ? 'F32' : 'Q8_0';
  const predictor: LowRankPredictor = {
    kind: 'trained',
    reads: 'same-layer',
    down: pack(down, type),
    up: pack(up, type),
    threshold: Float32Array.of(0),
  };
  return { predictor, history: { heldOutLoss, best: heldOutLoss.length - 1 } };
}

/** Loss of a score s on value v: v/λ · softplus(−s) + softplus(s). */
const LAMBDA = 0.3;
const weightOf = (h: number, norm: number) => Math.min(50, (h * norm) / LAMBDA);

const positive = (value: number) => Math.max(0, value);

function step(down: Rows, up: Rows, { x, h }: SampleRow, norms: Float32Array, rate: number) {
  const z = multiply(down, x);
  const hidden = z.map(positive);
  const back = new Float64Array(z.length);
  for (const [n, row] of up.entries()) {
    const weight = weightOf(h[n] as number, norms[n] as number);
    const p = 1 / (1 + Math.exp(-dot(row, hidden)));
    const slope = Math.max(-4, p * (1 + weight) - weight);
    for (let r = 0; r < row.length; r++) {
      back[r] = (back[r] as number) + slope * (row[r] as number);
      row[r] = (row[r] as number) - rate * slope * (hidden[r] as number);
    }
  }
  for (const [r, row] of down.entries()) {
    if ((z[r] as number) <= 0) continue;
    const slope = (rate * (back[r] as number)) / up.length;
    for (let d = 0; d < row.length; d++) row[d] = (row[d] as number) - slope * (x[d] as number);
  }
}

function lossOf(down: Rows, up: Rows, { x, h }: SampleRow, norms: Float32Array): number {
  const hidden = multiply(down, x).map(positive);
  return multiply(up, hidden).reduce((sum, score, n) => {
    const weight = weightOf(h[n] as number, norms[n] as number);
    return sum + weight * Math.log1p(Math.exp(-score)) + Math.log1p(Math.exp(score));
  }, 0);
}

function firstOf({ first }: { first?: FirstMatrix }): { gate: Rows; bias?: Float32Array } {
  if (first === undefined) throw new Error('needs the first matrix');
  const width = 64;
  const rows = first.weights.length / width;
  const gate = Array.from({ length: rows }, (_, n) =>
    Float64Array.from(first.weights.subarray(n * width, (n + 1) * width)),
  );
  return { gate, ...(first.bias && { bias: first.bias }) };
}

function signsOf({ gate }: { gate: Rows }): Uint8Array {
  const bytes = gate.map((row) => {
    const mask = new Uint8Array(Math.ceil(row.length / 8));
    for (const [d, value] of row.entries()) {
      if (value < 0) mask[d >> 3] = (mask[d >> 3] as number) | (1 << (d & 7));
    }
    return mask;
  });
  return Uint8Array.from(bytes.flatMap((mask) => [...mask]));
}

export function scorerOf(
  predictor: LayerPredictor,
  first?: FirstMatrix,
  activation = 'relu',
): Scorer {
  switch (predictor.kind) {
    case 'none':
      throw new Error('nothing to score');
    case 'gate': {
      const { gate, bias } = firstOf({ ...(first && { first }) });
      const act = (z: number) => (activation === 'relu' ? Math.max(0, z) : z / (1 + Math.exp(-z)));
      return (x) => multiply(gate, x).map((z, n) => Math.abs(act(z + (bias?.[n] ?? 0))));
    }
    case 'signs': {
      const { signs, threshold: _ } = predictor;
      return (x) => {
        const rowBytes = Math.ceil(x.length / 8);
        return Array.from({ length: signs.length / rowBytes }, (_unused, n) =>
          x.reduce((sum, value, d) => {
            const negative = ((signs[n * rowBytes + (d >> 3)] as number) >> (d & 7)) & 1;
            return sum + (value < 0 === (negative === 1) ? 1 : -1);
          }, 0),
        );
      };
    }
    default: {
      const [down, up] = [unpack(predictor.down), unpack(predictor.up)];
      const relu = predictor.kind === 'trained';
      return (x) => {
        const hidden = multiply(down, x);
        return multiply(up, relu ? hidden.map(positive) : hidden);
      };
    }
  }
}

function thresholdOf(predictor: LayerPredictor): Float32Array {
  return predictor.kind === 'none' ? new Float32Array(1) : predictor.threshold;
}

function curveOf(
  rows: SampleRow[],
  { norms }: SampleSet,
  score: Scorer,
  threshold: Float32Array,
  points: number,
): ScoreCurve {
  const seen = rows.flatMap(({ x, h }) =>
    Array.from(score(x), (value, n) => ({
      score: value - (threshold[threshold.length > 1 ? n : 0] as number),
      fires: (h[n] as number) > 0,
      value: (h[n] as number) * (norms[n] as number),
    })),
  );
  seen.sort((a, b) => a.score - b.score);
  const lowest = (seen[0]?.score ?? 0) - 1;
  const picked = Array.from({ length: points - 1 }, (_, i) => {
    return seen[Math.floor((i / (points - 1)) * seen.length)]?.score ?? 0;
  });
  const shifts = Float32Array.from(new Set([lowest, ...picked].map(Math.fround))).sort();
  const sums = { predicted: 0, hits: 0, hitValue: 0 };
  const curve: ScoreCurve = {
    tokens: rows.length,
    firing: seen.filter(({ fires }) => fires).length,
    firingValue: seen.reduce((sum, { value }) => sum + value, 0),
    shifts,
    predicted: new Float64Array(shifts.length),
    hits: new Float64Array(shifts.length),
    hitValue: new Float64Array(shifts.length),
  };
  let at = seen.length - 1;
  for (let i = shifts.length - 1; i >= 0; i--) {
    for (; at >= 0 && (seen[at]?.score as number) > (shifts[i] as number); at--) {
      sums.predicted++;
      sums.hits += seen[at]?.fires ? 1 : 0;
      sums.hitValue += seen[at]?.value ?? 0;
    }
    curve.predicted[i] = sums.predicted;
    curve.hits[i] = sums.hits;
    curve.hitValue[i] = sums.hitValue;
  }
  return curve;
}
