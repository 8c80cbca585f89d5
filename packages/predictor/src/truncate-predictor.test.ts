import {
  BLOCK_COLUMNS,
  type LowRankPredictor,
  type PredictorMatrix,
  type PredictorType,
} from '@thermocline/contracts';
import { expect, it } from 'vitest';
import { truncatePredictor } from './truncate-predictor.js';

const [WIDTH, NEURONS] = [64, 5];

/** Cells count up, so each says where it was. */
function matrix(type: PredictorType, rows: number, columns: number): PredictorMatrix {
  const cells = rows * columns;
  const count = (_: unknown, i: number) => i % 100;
  const scale = (length: number) => Array.from({ length }, (_, i) => i + 1);
  switch (type) {
    case 'F32':
      return { type, rows, columns, values: Float32Array.from({ length: cells }, count) };
    case 'F16':
    case 'BF16':
      return { type, rows, columns, values: Uint16Array.from({ length: cells }, count) };
    case 'I8':
      return {
        type,
        rows,
        columns,
        values: Int8Array.from({ length: cells }, count),
        scale: Float32Array.from(scale(rows)),
      };
    case 'Q8_0':
      return {
        type,
        rows,
        columns,
        values: Int8Array.from({ length: cells }, count),
        scale: Uint16Array.from(scale(cells / BLOCK_COLUMNS)),
      };
    case 'Q4_0':
      return {
        type,
        rows,
        columns,
        values: Uint8Array.from({ length: cells / 2 }, count),
        scale: Uint16Array.from(scale(cells / BLOCK_COLUMNS)),
      };
  }
}

it.each(['F32', 'F16', 'BF16', 'I8', 'Q8_0', 'Q4_0'] as const)(
  'keeps the first terms of %s',
  (type) => {
    const predictor: LowRankPredictor = {
      kind: 'factorised',
      reads: 'same-layer',
      threshold: Float32Array.of(0),
      down: matrix(type, 96, WIDTH),
      up: matrix(type, NEURONS, 96),
    };
    const { down, up } = truncatePredictor(predictor, 32);
    const perCell = type === 'Q4_0' ? 2 : 1;
    expect(down).toMatchObject({ type, rows: 32, columns: WIDTH });
    expect(up).toMatchObject({ type, rows: NEURONS, columns: 32 });
    expect([...down.values]).toEqual([...predictor.down.values.slice(0, (32 * WIDTH) / perCell)]);
    for (let n = 0; n < NEURONS; n++) {
      const [before, after] = [(n * 96) / perCell, (n * 32) / perCell];
      expect([...up.values.slice(after, after + 32 / perCell)]).toEqual([
        ...predictor.up.values.slice(before, before + 32 / perCell),
      ]);
    }
    if (!('scale' in up) || !('scale' in down)) return;
    expect([...up.scale]).toEqual(type === 'I8' ? [1, 2, 3, 4, 5] : [1, 4, 7, 10, 13]);
    expect(down.scale.length).toBe(type === 'I8' ? 32 : (32 * WIDTH) / BLOCK_COLUMNS);
  },
);
