import { describe, expect, it } from 'vitest';
import { alignmentSlack, modelMemory, neuronMatrixBytes } from './memory-model.js';
import { OPT_175B, shape } from './testing/shapes.js';

const options = { contextTokens: 512, kvType: 'f16', threads: 4 } as const;

describe('modelMemory', () => {
  it('counts the bytes of OPT-175B as others do', () => {
    const f16 = { embedding: 'F16', attention: 'F16', ffn: 'F16' };
    const memory = modelMemory({ ...OPT_175B, weight_types: f16 }, options);
    const neurons = 96 * 49152 * memory.neuron.bundle;
    const bytes = neurons + 96 * memory.attention + memory.embeddings;
    expect(memory.neuron.bundle).toBe(2 * 2 * 12288);
    // 174.6 billion parameters.
    expect(bytes / 2 / 1e9).toBeCloseTo(174.6, 0);
    expect(memory.head).toBe(0);
  });

  it.each([
    ['F32', 4096],
    ['F16', 2048],
    ['BF16', 2048],
    ['Q8_0', 1088],
    ['Q4_0', 576],
    ['Q4_K', 592],
    ['Q5_K', 720],
    ['Q6_K', 840],
  ])('knows the rows of %s', (type, row) => {
    const model = shape({ d_model: 1024, weight_types: { ...types, ffn: type } });
    expect(modelMemory(model, options).neuron).toEqual({
      gate: row,
      up: row,
      down: row,
      bundle: 3 * row,
    });
  });

  it('takes the finer role where there is one', () => {
    const weight_types = { ...types, ffn: 'F16', ffn_down: 'Q8_0', ffn_gate: 'Q4_0' };
    const { gate, up, down } = modelMemory(shape({ d_model: 256, weight_types }), options).neuron;
    expect([gate, up, down]).toEqual([144, 512, 272]);
  });

  it('grows with what is asked for', () => {
    const model = shape();
    const at = (contextTokens: number, kvType: 'f16' | 'f32', threads = 4) =>
      modelMemory(model, { contextTokens, kvType, threads });
    expect(at(512, 'f16').kv).toBe(2 * 2 * 64 * 512 * 2);
    expect(at(512, 'f32').kv).toBe(2 * at(512, 'f16').kv);
    expect(at(256, 'f16').kv).toBe(at(512, 'f16').kv / 2);
    // Keys come in whole blocks of 16 positions.
    expect(at(250, 'f16').kv).toBe(2 * 64 * (256 + 250) * 2);
    // Every thread has scores and sums of its own.
    const rows = 4 * 12 * (256 + 64) + 16 * 48;
    expect(at(512, 'f16', 8).scratch - at(512, 'f16', 4).scratch).toBe(4 * rows);
    // Bundles of 1,536 bytes take a page each.
    expect(at(512, 'f16').staging).toBe(64 * 4096);
  });

  it('counts positions that are learned, and a head of its own', () => {
    const opt = modelMemory(shape({ arch: 'opt', gated: false, tied: true }), options);
    expect(opt.embeddings - opt.tokenTable).toBe((512 + 2) * 512);
    expect(modelMemory(shape(), options).head).toBe(4096 * 512);
  });

  it('says what it had to assume', () => {
    expect(modelMemory(shape(), options).assumptions).toEqual([]);
    const { assumptions, neuron } = modelMemory(shape({ weight_types: {} }), options);
    expect(assumptions.join()).toMatch(/embedding, attention, up, down, gate, head: F16/);
    expect(neuron.up).toBe(512);
  });

  it('refuses a weight type that it does not know', () => {
    const model = shape({ weight_types: { ...types, ffn: 'toString' } });
    expect(() => modelMemory(model, options)).toThrow(/"toString".*known are .*Q4_0/);
  });
});

describe('neuronMatrixBytes', () => {
  it('begins each matrix on a cache line, which alignmentSlack bounds', () => {
    const neuron = { gate: 18, up: 64, down: 34, bundle: 116 };
    for (let count = 0; count < 200; count++) {
      const extra = neuronMatrixBytes(neuron, count) - count * neuron.bundle;
      expect(extra).toBeGreaterThanOrEqual(0);
      expect(extra).toBeLessThanOrEqual(alignmentSlack(neuron, 1));
    }
    expect(alignmentSlack({ gate: 0, up: 512, down: 512, bundle: 1024 }, 1)).toBe(0);
  });

  it('aligns the matrices of each expert', () => {
    const neuron = { gate: 18, up: 64, down: 34, bundle: 116 };
    const experts = [1, 0, 7, 3];
    const count = experts.reduce((sum, neurons) => sum + neurons, 0);
    const parts = experts.reduce((sum, neurons) => sum + neuronMatrixBytes(neuron, neurons), 0);
    expect(neuronMatrixBytes(neuron, count, 4)).toBeGreaterThanOrEqual(parts);
    expect(alignmentSlack(neuron, 4)).toBe(4 * alignmentSlack(neuron, 1));
    expect(neuronMatrixBytes(neuron, count, 4) - count * 116).toBe(alignmentSlack(neuron, 4));
    expect(neuronMatrixBytes(neuron, 0, 4)).toBe(0);
  });
});

const types = { embedding: 'F16', attention: 'F16', output: 'F16' };
