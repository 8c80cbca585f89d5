import type { Linear, Matrix, Norm, OracleLayer, OracleModel } from './oracle-model.js';

/** What a double-precision run over some tokens gives. */
export interface OracleRun {
  /** [tokens][vocab] */
  logits: Float64Array[];
  /** Neurons whose gate (or, without one, whose activation) is above zero. [tokens][layers] */
  active: number[][];
}

/** Rows of one width, one per token. */
type Rows = Float64Array[];

/**
 * Runs a model over tokens from an empty context, in double precision and in the plainest way: no
 * cache, no blocks, no approximation. Slow, and what every engine result is judged against.
 */
export function runOracle(model: OracleModel, tokens: readonly number[]): OracleRun {
  let hidden: Rows = tokens.map((token, position) => embed(model, token, position));
  const active: number[][] = tokens.map(() => []);
  for (const layer of model.layers) {
    hidden = addRows(hidden, attention(model, layer, hidden));
    hidden = addRows(hidden, feedForward(model, layer, hidden, active));
  }
  const normed = hidden.map((row) => normalize(row, model.outputNorm, model.epsilon));
  return { logits: project({ weight: model.head, bias: null }, normed), active };
}

function embed(model: OracleModel, token: number, position: number): Float64Array {
  const row = rowOf(model.embedding, token).slice();
  if (model.positions === null) return row;
  const place = rowOf(model.positions, position + 2);
  return row.map((value, i) => value + at(place, i));
}

function attention(model: OracleModel, layer: OracleLayer, hidden: Rows): Rows {
  const { heads, kvHeads, headSize } = model;
  const input = hidden.map((row) => normalize(row, layer.attentionNorm, model.epsilon));
  const queries = project(layer.query, input);
  const keys = project(layer.key, input);
  const values = project(layer.value, input);
  if (model.ropeBase > 0) {
    for (const rows of [queries, keys]) {
      for (const [position, row] of rows.entries()) rotate(row, position, headSize, model.ropeBase);
    }
  }
  const mixed = queries.map((query, position) => {
    const out = new Float64Array(heads * headSize);
    for (let head = 0; head < heads; head++) {
      const from = Math.floor((head * kvHeads) / heads) * headSize;
      const scores = keys.slice(0, position + 1).map((key) => {
        let sum = 0;
        for (let i = 0; i < headSize; i++)
          sum += at(query, head * headSize + i) * at(key, from + i);
        return sum / Math.sqrt(headSize);
      });
      for (const [t, weight] of softmax(scores).entries()) {
        const value = values[t] as Float64Array;
        for (let i = 0; i < headSize; i++) {
          out[head * headSize + i] = at(out, head * headSize + i) + weight * at(value, from + i);
        }
      }
    }
    return out;
  });
  return project(layer.attentionOutput, mixed);
}

function feedForward(
  model: OracleModel,
  layer: OracleLayer,
  hidden: Rows,
  active: number[][],
): Rows {
  const input = hidden.map((row) => normalize(row, layer.ffnNorm, model.epsilon));
  const up = project(layer.up, input);
  const gates = layer.gate === null ? up : project(layer.gate, input);
  const activate = model.activation === 'relu' ? relu : silu;
  for (const [t, gate] of gates.entries()) {
    active[t]?.push(gate.reduce((count, value) => count + (value > 0 ? 1 : 0), 0));
  }
  const hiddenNeurons = gates.map((gate, t) =>
    layer.gate === null ? gate.map(activate) : gate.map((g, i) => activate(g) * at(up[t], i)),
  );
  return project(layer.down, hiddenNeurons);
}

/** Turns neighbouring pairs of each head by an angle that grows with the position. */
function rotate(row: Float64Array, position: number, headSize: number, base: number): void {
  for (let start = 0; start < row.length; start += headSize) {
    for (let i = 0; i < headSize; i += 2) {
      const angle = position * base ** (-i / headSize);
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      const [x, y] = [at(row, start + i), at(row, start + i + 1)];
      row[start + i] = x * cos - y * sin;
      row[start + i + 1] = x * sin + y * cos;
    }
  }
}

function normalize(row: Float64Array, norm: Norm, epsilon: number): Float64Array {
  const { weight, bias } = norm;
  const mean = bias === null ? 0 : row.reduce((sum, x) => sum + x, 0) / row.length;
  const variance = row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / row.length;
  const scale = 1 / Math.sqrt(variance + epsilon);
  return row.map((x, i) => (x - mean) * scale * at(weight, i) + (bias === null ? 0 : at(bias, i)));
}

/** Applies a linear map to every row. Nearly all the time goes here, so it sums in four lanes. */
function project({ weight, bias }: Linear, rows: Rows): Rows {
  const outputs = rows.map(() => new Float64Array(weight.rows));
  for (let r = 0; r < weight.rows; r++) {
    const row = rowOf(weight, r);
    const offset = bias === null ? 0 : at(bias, r);
    for (const [t, input] of rows.entries()) {
      (outputs[t] as Float64Array)[r] = dot(row, input) + offset;
    }
  }
  return outputs;
}

/** REQUIRES: equal lengths, a multiple of four. */
function dot(left: Float64Array, right: Float64Array): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (let i = 0; i < left.length; i += 4) {
    a += (left[i] as number) * (right[i] as number);
    b += (left[i + 1] as number) * (right[i + 1] as number);
    c += (left[i + 2] as number) * (right[i + 2] as number);
    d += (left[i + 3] as number) * (right[i + 3] as number);
  }
  return a + b + (c + d);
}

function softmax(scores: readonly number[]): number[] {
  const highest = Math.max(...scores);
  const exponentials = scores.map((score) => Math.exp(score - highest));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
}

function addRows(left: Rows, right: Rows): Rows {
  return left.map((row, t) => row.map((value, i) => value + at(right[t], i)));
}

function rowOf(matrix: Matrix, row: number): Float64Array {
  return matrix.values.subarray(row * matrix.columns, (row + 1) * matrix.columns);
}

/** An element that is known to be there; a missing one becomes NaN and fails every comparison. */
function at(values: Float64Array | undefined, i: number): number {
  return values?.[i] ?? Number.NaN;
}

const relu = (x: number): number => Math.max(0, x);
const silu = (x: number): number => x / (1 + Math.exp(-x));
