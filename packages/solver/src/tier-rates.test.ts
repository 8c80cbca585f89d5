import { describe, expect, it } from 'vitest';
import { FLASH, GPU, machine } from './testing/shapes.js';
import { neuronReads, randomReadSeconds, tierRates } from './tier-rates.js';

const gated = { gate: 100, up: 200, down: 300, bundle: 600 };
const plain = { gate: 0, up: 200, down: 300, bundle: 500 };

describe('neuronReads', () => {
  it.each([
    ['dense', gated, 600, 0, 1],
    ['exact', gated, 100, 500, 1],
    ['threshold', gated, 100, 500, 1],
    ['predicted', gated, 0, 600, 1.4],
    ['dense', plain, 500, 0, 1],
    ['exact', plain, 200, 300, 1],
    ['predicted', plain, 0, 500, 1.4],
  ] as const)('in %s mode, of %o', (mode, bytes, alwaysBytes, firingBytes, overPrediction) => {
    const reads = neuronReads(mode, bytes, 1.4);
    expect(reads).toEqual({ alwaysBytes, firingBytes, overPrediction });
  });
});

describe('randomReadSeconds', () => {
  const read = (bytes: number) => randomReadSeconds(FLASH, bytes);

  it('takes the best queue depth of a measured size', () => {
    expect(read(4096)).toBeCloseTo(4096 / 0.4e9, 12);
    expect(read(65536)).toBeCloseTo(65536 / 1.6e9, 12);
  });

  it('lets time grow in a straight line between two sizes', () => {
    const middle = (4096 + 65536) / 2;
    expect(read(middle)).toBeCloseTo((read(4096) + read(65536)) / 2, 12);
  });

  it('goes on with the first line below the smallest size, but never faster than streaming', () => {
    const slope = (read(65536) - read(4096)) / (65536 - 4096);
    expect(read(512)).toBeCloseTo(read(4096) - (4096 - 512) * slope, 12);
    const flat = { ...FLASH, random: [{ blockBytes: 4096, bytesPerSecond: 1e9 }] };
    expect(randomReadSeconds(flat, 512)).toBe(4096 / 1e9);
    const steep = {
      ...FLASH,
      random: FLASH.random.map((point) => ({ ...point, bytesPerSecond: 1e9 })),
    };
    expect(randomReadSeconds(steep, 512)).toBeCloseTo(512 / 1e9, 15);
  });

  it('streams beyond the largest size', () => {
    expect(read(65536 + 2e9)).toBeCloseTo(read(65536) + 1, 9);
    expect(read(0)).toBe(0);
  });

  it('streams where nothing scattered was measured', () => {
    expect(randomReadSeconds(GPU, 800)).toBe(800 / 800e9);
  });
});

describe('tierRates', () => {
  it('charges each tier as it reads', () => {
    const hardware = machine({ gpu: GPU, flash: FLASH });
    const reads = { alwaysBytes: 1000, firingBytes: 4096, overPrediction: 1.5 };
    const { gpu, cpu, flash } = tierRates(hardware, reads);
    expect(gpu).toEqual({ perNeuron: 1000 / 800e9, perFiring: (1.5 * 4096) / 800e9 });
    expect(cpu?.perNeuron).toBe(1000 / 50e9);
    expect(cpu?.perFiring).toBeCloseTo((1.5 * 4096) / 40e9, 15);
    expect(flash?.perFiring).toBeCloseTo((1.5 * 4096) / 0.4e9, 12);
  });

  it('reads whole pages from flash', () => {
    const small = { alwaysBytes: 0, firingBytes: 1536, overPrediction: 1 };
    const page = { ...small, firingBytes: 4096 };
    const hardware = machine({ flash: FLASH });
    expect(tierRates(hardware, small).flash).toEqual(tierRates(hardware, page).flash);
  });

  it('has no rate for a tier that is not there', () => {
    const { gpu, flash } = tierRates(machine(), neuronReads('dense', gated, 1));
    expect([gpu, flash]).toEqual([null, null]);
  });
});
