import { type FillRow, RowFillers } from './fill-rows.js';
import type { GgufTensor } from './gguf-header.js';
import { ffnLayers, type ModelPlan, makePool } from './model-plan.js';
import { Random } from './random.js';
import type { SyntheticType } from './weight-types.js';

/** Layouts of the down matrix: a row per output, or a row per neuron. */
export const SYNTHETIC_LAYOUTS = ['usual', 'packed'] as const;
export type SyntheticLayout = (typeof SYNTHETIC_LAYOUTS)[number];

/** A tensor and how its rows come about; `prepare` is called once, just before the first row. */
export interface SyntheticTensor extends GgufTensor {
  prepare: () => FillRow;
}

/** All tensors of a file, in the order they are written. */
export function modelTensors(
  plan: ModelPlan,
  type: SyntheticType,
  layout: SyntheticLayout,
): SyntheticTensor[] {
  return new TensorList(plan, type, layout).all();
}

class TensorList {
  readonly #fill: RowFillers;
  readonly #tensors: SyntheticTensor[] = [];

  constructor(
    readonly plan: ModelPlan,
    readonly type: SyntheticType,
    readonly layout: SyntheticLayout,
  ) {
    this.#fill = new RowFillers(plan, type);
  }

  all(): SyntheticTensor[] {
    const { recipe, geometry } = this.plan;
    const { dModel, vocab, context, arch } = recipe.shape;
    const embedding = 'token_embd.weight';
    this.#matrix(embedding, dModel, vocab, () =>
      this.#fill.embedding(embedding, vocab, dModel, makePool(recipe, 'embeddings')),
    );
    // OPT's learned positions begin at row 2.
    if (arch === 'opt') this.#input('position_embd', dModel, context + 2, geometry.position);
    const neurons = new Set(ffnLayers(recipe));
    for (let layer = 0; layer < recipe.layers; layer++) {
      if (arch !== 'nemotron_h_moe') this.#denseLayer(layer);
      else if (neurons.has(layer)) this.#mixture(layer);
      else this.#attention(layer);
    }
    this.#norm('output_norm');
    this.#input('output', dModel, vocab, geometry.head);
    return this.#tensors;
  }

  #denseLayer(layer: number): void {
    const { arch } = this.plan.recipe.shape;
    if (arch === 'falcon') {
      this.#fusedAttention(layer);
    } else {
      this.#attention(layer);
      this.#norm(`blk.${layer}.ffn_norm`);
    }
    this.#ffn(layer);
  }

  #attention(layer: number): void {
    const { dModel, heads, kvHeads, headDim } = this.plan.recipe.shape;
    const name = (part: string) => `blk.${layer}.attn_${part}`;
    this.#norm(name('norm'));
    this.#input(name('q'), dModel, heads * headDim);
    this.#input(name('k'), dModel, kvHeads * headDim);
    this.#input(name('v'), dModel, kvHeads * headDim);
    this.#attentionOutput(name('output'));
  }

  /** Falcon with two norms: queries, keys and values are one matrix. */
  #fusedAttention(layer: number): void {
    const { dModel, heads, kvHeads, headDim } = this.plan.recipe.shape;
    this.#norm(`blk.${layer}.attn_norm`);
    this.#norm(`blk.${layer}.attn_norm_2`);
    this.#input(`blk.${layer}.attn_qkv`, dModel, (heads + 2 * kvHeads) * headDim);
    this.#attentionOutput(`blk.${layer}.attn_output`);
  }

  #attentionOutput(stem: string): void {
    const { dModel, heads, headDim } = this.plan.recipe.shape;
    const name = `${stem}.weight`;
    this.#matrix(name, heads * headDim, dModel, () =>
      this.#fill.output(name, dModel, heads * headDim, this.plan.geometry.attentionOutput),
    );
  }

  #ffn(layer: number): void {
    const { dModel, nFf, arch, activation } = this.plan.recipe.shape;
    const name = (part: string) => `blk.${layer}.ffn_${part}`;
    const gated = arch === 'llama';
    const deciding = name(gated ? 'gate.weight' : 'up.weight');
    this.#matrix(deciding, dModel, nFf, () => this.#fill.gate(this.plan.firing(layer)));
    if (activation === 'drelu') {
      const up = name('up.weight');
      this.#matrix(up, dModel, nFf, () => this.#fill.positive(up, nFf, dModel));
    } else if (gated) this.#input(name('up'), dModel, nFf);
    if (arch === 'opt') {
      this.#vector(name('up.bias'), nFf, () => this.plan.firing(layer).biases);
    }
    if (this.layout === 'packed') {
      this.#matrix(name('down_t.weight'), dModel, nFf, () =>
        this.#fill.downTransposed(name('down'), dModel, nFf),
      );
    } else {
      this.#matrix(name('down.weight'), nFf, dModel, () =>
        this.#fill.down(name('down'), dModel, nFf),
      );
    }
  }

  /** Experts lie one after the other in each tensor; a router and a shared expert stand beside. */
  #mixture(layer: number): void {
    const { dModel, nFf, experts } = this.plan.recipe.shape;
    if (experts === undefined) return;
    const { count, sharedFf } = experts;
    const { down } = this.plan.geometry;
    const name = (part: string) => `blk.${layer}.ffn_${part}.weight`;
    this.#norm(`blk.${layer}.attn_norm`);
    this.#router(name('gate_inp'), dModel, count);
    this.#experts(name('up_exps'), [dModel, nFf, count], (expert) =>
      this.#fill.gate(this.plan.firing(layer, expert)),
    );
    this.#experts(name('down_exps'), [nFf, dModel, count], (expert) =>
      this.#fill.down(`blk.${layer}.ffn_down.${expert}`, dModel, nFf),
    );
    this.#input(`blk.${layer}.ffn_up_shexp`, dModel, sharedFf);
    const shared = name('down_shexp');
    this.#matrix(shared, sharedFf, dModel, () => this.#fill.output(shared, dModel, sharedFf, down));
  }

  #experts(name: string, shape: [number, number, number], fill: (expert: number) => FillRow): void {
    const prepare = (): FillRow => {
      const rows = shape[1];
      let [expert, current] = [-1, (() => undefined) as FillRow];
      return (row, out, at) => {
        const wanted = Math.floor(row / rows);
        if (wanted !== expert) [expert, current] = [wanted, fill(wanted)];
        current(row % rows, out, at);
      };
    };
    this.#tensors.push({ name, type: this.type, shape, prepare });
  }

  /** In F32, as routers are: small random numbers. */
  #router(name: string, columns: number, rows: number): void {
    const prepare = (): FillRow => {
      const random = new Random(this.plan.recipe.seed, name);
      return (_, out, at) => {
        const view = new DataView(out.buffer, out.byteOffset + at, 4 * columns);
        for (let i = 0; i < columns; i++) {
          const value =
            i < this.plan.geometry.constant ? 0 : random.below(2 ** 16) / 2 ** 22 - 2 ** -7;
          view.setFloat32(4 * i, value, true);
        }
      };
    };
    this.#tensors.push({ name, type: 'F32', shape: [columns, rows], prepare });
  }

  #input(stem: string, columns: number, rows: number, exponent?: number): void {
    const name = `${stem}.weight`;
    this.#matrix(name, columns, rows, () => this.#fill.input(name, rows, columns, exponent));
  }

  #matrix(name: string, columns: number, rows: number, prepare: () => FillRow): void {
    this.#tensors.push({ name, type: this.type, shape: [columns, rows], prepare });
  }

  #norm(stem: string): void {
    const { dModel, arch } = this.plan.recipe.shape;
    this.#vector(`${stem}.weight`, dModel, () => new Float32Array(dModel).fill(1));
    if (arch === 'llama' || arch === 'nemotron_h_moe') return;
    this.#vector(`${stem}.bias`, dModel, () => new Float32Array(dModel));
  }

  #vector(name: string, size: number, values: () => Float32Array): void {
    const prepare = (): FillRow => {
      const made = values();
      return (_, out, at) => {
        const view = new DataView(out.buffer, out.byteOffset + at, 4 * size);
        for (const [i, value] of made.entries()) view.setFloat32(4 * i, value, true);
      };
    };
    this.#tensors.push({ name, type: 'F32', shape: [size], prepare });
  }
}
