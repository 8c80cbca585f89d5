import type { FiringPlan } from './firing-plan.js';
import { DOUBLE_RELU_SHIFT, type Geometry } from './geometry.js';
import type { ModelPlan } from './model-plan.js';
import { type Pool, STEP_VARIANCE } from './pool.js';
import { Random } from './random.js';
import {
  BLOCK,
  encodeSteps,
  LARGEST_STEP,
  type SyntheticType,
  TYPE_FACTS,
} from './weight-types.js';

/** Writes one row of a matrix, all its bytes, at a place in a buffer. */
export type FillRow = (row: number, out: Uint8Array, at: number) => void;

// What an embedding's length may differ from the mean is chosen from this many places in the pool.
const LENGTH_CANDIDATES = 8;

/** Rows of matrices that are copied from a pool, in one type. */
export class RowFillers {
  readonly #type: SyntheticType;
  readonly #blockBytes: number;
  readonly #zero: Uint8Array;

  constructor(
    readonly plan: ModelPlan,
    type: SyntheticType,
  ) {
    this.#type = type;
    this.#blockBytes = TYPE_FACTS[type].blockBytes;
    this.#zero = encodeSteps(type, new Int8Array(BLOCK), 0);
  }

  get pool(): Pool {
    return this.plan.pool;
  }

  get geometry(): Geometry {
    return this.plan.geometry;
  }

  get seed(): number {
    return this.plan.recipe.seed;
  }

  /** Rows that read the hidden state: nothing of the constant columns. */
  input(name: string, rows: number, columns: number, exponent = this.geometry.input): FillRow {
    const blocks = (columns - this.geometry.constant) / BLOCK;
    const offsets = this.#offsets(name, rows, blocks);
    const source = this.pool.encoded(this.#type, exponent);
    const size = this.#blockBytes;
    const zeros = (this.geometry.constant / BLOCK) * size;
    return (row, out, at) => {
      if (zeros > 0) out.set(this.#zero, at);
      const from = (offsets[row] as number) * size;
      out.set(source.subarray(from, from + blocks * size), at + zeros);
    };
  }

  /** Rows that add to the hidden state, in the usual layout: nothing to the constant columns. */
  output(name: string, rows: number, columns: number, exponent: number): FillRow {
    const blocks = columns / BLOCK;
    const offsets = this.#offsets(name, rows, blocks);
    const source = this.pool.encoded(this.#type, exponent);
    const size = this.#blockBytes;
    return (row, out, at) => {
      if (row < this.geometry.constant) return this.#zeros(blocks, out, at);
      const from = (offsets[row] as number) * size;
      out.set(source.subarray(from, from + blocks * size), at);
    };
  }

  /** The down matrix in tiles of 32 × 32; every row of tiles is a run of the pool's. */
  down(name: string, outputs: number, neurons: number): FillRow {
    const runs = this.#runs(name, outputs, neurons);
    const source = this.pool.encoded(this.#type, this.geometry.down);
    const size = this.#blockBytes;
    const length = (neurons / BLOCK) * size;
    return (row, out, at) => {
      if (row < this.geometry.constant) return this.#zeros(neurons / BLOCK, out, at);
      const tile = runs[Math.floor(row / BLOCK)] as number;
      const from = ((row % BLOCK) * this.pool.tiles + tile) * size;
      out.set(source.subarray(from, from + length), at);
    };
  }

  /** The same numbers transposed: a row per neuron. */
  downTransposed(name: string, outputs: number, neurons: number): FillRow {
    const runs = this.#runs(name, outputs, neurons);
    // Two bytes at a time: all blocks are made of whole words.
    const source = words(this.pool.transposed(this.#type, this.geometry.down));
    const zero = words(this.#zero);
    const size = this.#blockBytes / 2;
    const skipped = this.geometry.constant / BLOCK;
    return (row, out, at) => {
      const target = new Uint16Array(out.buffer, out.byteOffset + at, runs.length * size);
      const begin = (row % BLOCK) * this.pool.tiles + Math.floor(row / BLOCK);
      for (let run = 0; run < runs.length; run++) {
        const from = run < skipped ? 0 : (begin + (runs[run] as number)) * size;
        const block = run < skipped ? zero : source;
        for (let i = 0, to = run * size; i < size; i++) target[to + i] = block[from + i] as number;
      }
    };
  }

  /** Rows that decide what fires. */
  gate(plan: FiringPlan): FillRow {
    const { constant, rank, strong, weak, gateConstant, gateRank, gateStrong } = this.geometry;
    const parts = [
      { blocks: rank / BLOCK, exponent: gateRank },
      { blocks: strong / BLOCK, exponent: gateStrong },
      { blocks: weak / BLOCK, exponent: gateStrong - 1 },
    ].map((part) => ({ ...part, source: this.pool.encoded(this.#type, part.exponent) }));
    const constants = this.#constantBlocks(gateConstant);
    const size = this.#blockBytes;
    return (row, out, at) => {
      let to = at;
      if (constant > 0) out.set(constants(plan.steps[row] as number), to);
      to += (constant / BLOCK) * size;
      let from = (plan.offsets[row] as number) * size;
      for (const { blocks, source } of parts) {
        out.set(source.subarray(from, from + blocks * size), to);
        from += blocks * size;
        to += blocks * size;
      }
    };
  }

  /** Up rows of a double ReLU: planted well above zero, so that the gate decides. */
  positive(name: string, rows: number, columns: number): FillRow {
    const { constant, input, inputConstant, embedding, embeddingConstant } = this.geometry;
    const fill = this.input(name, rows, columns);
    const energy = (columns - constant) * STEP_VARIANCE * 4 ** input;
    const deviation = Math.sqrt(energy * STEP_VARIANCE) * 2 ** embedding;
    const perStep = LARGEST_STEP * 2 ** (embeddingConstant + inputConstant);
    const block = this.#constantBlocks(inputConstant)(
      Math.round((DOUBLE_RELU_SHIFT * deviation) / perStep),
    );
    return (row, out, at) => {
      fill(row, out, at);
      out.set(block, at);
    };
  }

  /** Embeddings: the constant columns, and random ones of nearly one length. */
  embedding(name: string, rows: number, columns: number, pool: Pool): FillRow {
    const { constant, embedding, embeddingConstant } = this.geometry;
    const blocks = (columns - constant) / BLOCK;
    const random = new Random(this.seed, name);
    const wanted = (columns - constant) * STEP_VARIANCE;
    const offsets = Uint32Array.from({ length: rows }, () =>
      nearestEnergy(pool, blocks, wanted, random),
    );
    const source = pool.encoded(this.#type, embedding);
    const size = this.#blockBytes;
    const head = this.#constantBlocks(embeddingConstant)(BLOCK * LARGEST_STEP);
    const taken = (constant / BLOCK) * size;
    return (row, out, at) => {
      if (constant > 0) out.set(head, at);
      const from = (offsets[row] as number) * size;
      out.set(source.subarray(from, from + blocks * size), at + taken);
    };
  }

  #zeros(blocks: number, out: Uint8Array, at: number): void {
    for (let i = 0; i < blocks; i++) out.set(this.#zero, at + i * this.#blockBytes);
  }

  #offsets(name: string, rows: number, blocks: number): Uint32Array {
    const random = new Random(this.seed, name);
    return Uint32Array.from({ length: rows }, () => random.below(this.pool.blocks - blocks));
  }

  #runs(name: string, outputs: number, neurons: number): Uint32Array {
    const random = new Random(this.seed, name);
    const places = this.pool.tiles - neurons / BLOCK;
    return Uint32Array.from({ length: outputs / BLOCK }, () => random.below(places));
  }

  /** Blocks of constant columns by the sum of their steps; half of the columns are negative. */
  #constantBlocks(exponent: number): (steps: number) => Uint8Array {
    const made = new Map<number, Uint8Array>();
    return (steps) => {
      const known = made.get(steps) ?? encodeSteps(this.#type, constantSteps(steps), exponent);
      made.set(steps, known);
      return known;
    };
  }
}

/**
 * 32 steps that add up to a sum where the constant columns are +1 and -1: the first half as they
 * are, the second half negated, so that a mean over columns finds nothing of them.
 */
export function constantSteps(sum: number): Int8Array {
  const steps = new Int8Array(BLOCK);
  const whole = Math.trunc(sum / BLOCK);
  const left = sum - whole * BLOCK;
  for (let i = 0; i < BLOCK; i++) {
    const step = whole + (i < Math.abs(left) ? Math.sign(left) : 0);
    steps[i] = i < BLOCK / 2 ? step : -step;
  }
  return steps;
}

function nearestEnergy(pool: Pool, blocks: number, wanted: number, random: Random): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < LENGTH_CANDIDATES; i++) {
    const offset = random.below(pool.blocks - blocks);
    const gap = Math.abs(pool.energy(offset, blocks) - wanted);
    if (gap >= least) continue;
    least = gap;
    best = offset;
  }
  return best;
}

function words(bytes: Uint8Array): Uint16Array {
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
}
