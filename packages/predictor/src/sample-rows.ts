import { type ObservationBatch, PipelineError } from '@thermocline/contracts';
import { bitsOf, roundToHalf } from './half-floats.js';

/** Samples of one layer, compact: half floats and bit masks, as they lie in a file. */
export interface PackedRows {
  rows: number;
  /** F16 [rows × d_model] */
  x: Uint16Array;
  /** Bit n % 8 of byte n / 8 of a row: neuron n fires. [rows × ⌈n_ff / 8⌉] */
  fires: Uint8Array;
  /** F16 |h| of those that fire, row by row. [offsets[rows]] */
  values: Uint16Array;
  /** Where the values of each row begin. [rows + 1] */
  offsets: Float64Array;
}

/**
 * Packs what a source shows of one layer while it arrives. Hidden states and activations come in
 * batches of their own; each keeps its order, so the n-th of one belongs to the n-th of the other.
 */
export class SampleRows {
  private states = 0;
  private x = new Uint16Array(0);
  private rows = 0;
  private fires = new Uint8Array(0);
  private offsets = new Float64Array(1);
  private values = new Uint16Array(0);
  private firing = 0;

  /**
   * @param threshold - a neuron fires where |h| is above
   */
  constructor(
    private readonly layer: number,
    private readonly width: number,
    private readonly neurons: number,
    private readonly threshold: number,
  ) {}

  /** @throws PipelineError `MODEL_CORRUPT` at a state that is not finite */
  addStates({ values, layer, documents, positions }: ObservationBatch): void {
    const rows = values.length / this.width;
    this.x = roomFor(this.x, (this.states + rows) * this.width);
    const bad = roundToHalf(bitsOf(values), this.x, this.states * this.width);
    if (bad >= 0) this.refuse('hidden state', layer, documents, positions, bad / this.width);
    this.states += rows;
  }

  /** @throws PipelineError `MODEL_CORRUPT` at an activation that is not finite */
  addActivations({ values, layer, documents, positions }: ObservationBatch): void {
    const { neurons, threshold } = this;
    const count = values.length / neurons;
    const maskBytes = Math.ceil(neurons / 8);
    const bits = bitsOf(values);
    this.fires = roomFor(this.fires, (this.rows + count) * maskBytes);
    this.offsets = roomFor(this.offsets, this.rows + count + 1);
    const magnitudes = new Float32Array(neurons);
    const magnitudeBits = bitsOf(magnitudes);
    for (let row = 0; row < count; row++) {
      const mask = (this.rows + row) * maskBytes;
      const begin = row * neurons;
      let active = 0;
      for (let n = 0; n < neurons; n++) {
        const magnitude = (bits[begin + n] as number) & 0x7fffffff;
        if (magnitude === 0) continue;
        if (magnitude >= 0x7f800000) {
          this.refuse('activation', layer, documents, positions, row);
        }
        magnitudeBits[active] = magnitude;
        if ((magnitudes[active] as number) <= threshold) continue;
        active++;
        const byte = mask + (n >> 3);
        this.fires[byte] = (this.fires[byte] as number) | (1 << (n & 7));
      }
      this.values = roomFor(this.values, this.firing + active);
      roundToHalf(magnitudeBits.subarray(0, active), this.values, this.firing);
      this.firing += active;
      this.offsets[this.rows + row + 1] = this.firing;
    }
    this.rows += count;
  }

  /**
   * Takes all rows out; new ones may follow.
   *
   * @throws PipelineError `INTERNAL` when states and activations are not of the same tokens
   */
  take(): PackedRows {
    const { rows, states, width, firing } = this;
    if (states !== rows) {
      const reason = `layer ${this.layer}: the source showed ${states} hidden states and ${rows} activations`;
      throw new PipelineError('INTERNAL', `${reason}.`, { reason });
    }
    const packed = {
      rows,
      x: this.x.slice(0, rows * width),
      fires: this.fires.slice(0, rows * Math.ceil(this.neurons / 8)),
      values: this.values.slice(0, firing),
      offsets: this.offsets.slice(0, rows + 1),
    };
    this.fires.fill(0);
    this.states = this.rows = this.firing = 0;
    return packed;
  }

  private refuse(
    what: string,
    layer: number,
    documents: Uint32Array,
    positions: Uint32Array,
    row: number,
  ): never {
    const at = Math.floor(row);
    const reason = `layer ${layer}: the ${what} of token ${positions[at]} of document ${documents[at]} is not finite`;
    throw new PipelineError('MODEL_CORRUPT', `The model cannot be learned from: ${reason}.`, {
      path: 'model',
      reason,
    });
  }
}

/** The array itself, or a larger copy. */
function roomFor<T extends Uint8Array | Uint16Array | Float64Array>(array: T, length: number): T {
  if (length <= array.length) return array;
  const Cells = array.constructor as new (length: number) => T;
  const larger = new Cells(Math.max(length, 2 * array.length));
  larger.set(array);
  return larger;
}
