import type { Random } from './random.js';
import { BLOCK, encodeSteps, LARGEST_STEP, type SyntheticType } from './weight-types.js';

/** Mean square of a value of the pool, in steps: those from -7 to 7 are equally likely. */
export const STEP_VARIANCE = ((2 * LARGEST_STEP + 1) ** 2 - 1) / 12;
/** Mean fourth power over the squared mean square. */
export const STEP_KURTOSIS =
  ((3 * (2 * LARGEST_STEP + 1) ** 2 - 7) / 5 / ((2 * LARGEST_STEP + 1) ** 2 - 1)) * 3;

/**
 * Random steps that all matrices are copied from, at random offsets: as random as each row needs to
 * be, at the speed of memory. Encodings are made once for each type and scale.
 *
 * Seen as tiles it also holds the transpose of a matrix: block t of plane r is row r of tile t, where
 * a plane is a 32nd of the pool.
 */
export class Pool {
  readonly blocks: number;
  /** Blocks of a plane; tiles. */
  readonly tiles: number;
  readonly #steps: Int8Array;
  /** Sums of squares up to each block, in steps². [blocks + 1] */
  readonly #energy: Float64Array;
  readonly #encoded = new Map<string, Uint8Array>();

  constructor(size: number, random: Random) {
    this.blocks = size / BLOCK;
    this.tiles = this.blocks / BLOCK;
    this.#steps = new Int8Array(size);
    const values = 2 * LARGEST_STEP + 1;
    for (let i = 0; i < size; i += 2) {
      const bits = random.next();
      this.#steps[i] = (((bits & 0xffff) * values) >>> 16) - LARGEST_STEP;
      this.#steps[i + 1] = (((bits >>> 16) * values) >>> 16) - LARGEST_STEP;
    }
    this.#energy = new Float64Array(this.blocks + 1);
    for (let block = 0; block < this.blocks; block++) {
      let sum = 0;
      for (let i = block * BLOCK; i < (block + 1) * BLOCK; i++) {
        sum += (this.#steps[i] as number) ** 2;
      }
      this.#energy[block + 1] = (this.#energy[block] as number) + sum;
    }
  }

  /** Sum of squares of `count` blocks, in steps². */
  energy(block: number, count: number): number {
    return (this.#energy[block + count] as number) - (this.#energy[block] as number);
  }

  /** The steps of `count` blocks. */
  steps(block: number, count: number): Int8Array {
    return this.#steps.subarray(block * BLOCK, (block + count) * BLOCK);
  }

  /** All blocks as bytes. */
  encoded(type: SyntheticType, exponent: number): Uint8Array {
    return this.#remember(`${type} ${exponent}`, () => encodeSteps(type, this.#steps, exponent));
  }

  /** The same of every tile's transpose. */
  transposed(type: SyntheticType, exponent: number): Uint8Array {
    return this.#remember(`${type} ${exponent} transposed`, () =>
      encodeSteps(type, transposeTiles(this.#steps, this.tiles), exponent),
    );
  }

  #remember(key: string, make: () => Uint8Array): Uint8Array {
    const bytes = this.#encoded.get(key) ?? make();
    this.#encoded.set(key, bytes);
    return bytes;
  }
}

function transposeTiles(steps: Int8Array, tiles: number): Int8Array {
  const plane = tiles * BLOCK;
  const result = new Int8Array(steps.length);
  for (let tile = 0; tile < tiles; tile++) {
    for (let r = 0; r < BLOCK; r++) {
      for (let c = 0; c < BLOCK; c++) {
        result[c * plane + tile * BLOCK + r] = steps[r * plane + tile * BLOCK + c] as number;
      }
    }
  }
  return result;
}
