import type { LowRankPredictor, PredictorMatrix } from '@thermocline/contracts';

/**
 * The first terms of a product: of a factorisation whose terms are in the order of what they
 * explain, the factorisation of that rank.
 *
 * @param rank - a multiple of 32, at most that of the predictor
 */
export function truncatePredictor(predictor: LowRankPredictor, rank: number): LowRankPredictor {
  const { down, up } = predictor;
  return { ...predictor, down: firstRows(down, rank), up: firstColumns(up, rank) };
}

type Cells = Float32Array | Uint16Array | Int8Array | Uint8Array;

function firstRows(matrix: PredictorMatrix, rows: number): PredictorMatrix {
  const take = (cells: Cells) => cells.slice(0, (cells.length / matrix.rows) * rows);
  return rebuild(matrix, { rows }, take, take);
}

function firstColumns(matrix: PredictorMatrix, columns: number): PredictorMatrix {
  const take = (cells: Cells) => {
    const before = cells.length / matrix.rows;
    const after = (before / matrix.columns) * columns;
    const cut = cells.slice(0, matrix.rows * after);
    for (let row = 0; row < matrix.rows; row++) {
      cut.set(cells.subarray(row * before, row * before + after), row * after);
    }
    return cut;
  };
  // A scale per row belongs to all of its columns.
  return rebuild(matrix, { columns }, take, matrix.type === 'I8' ? (scale) => scale : take);
}

function rebuild(
  matrix: PredictorMatrix,
  shape: { rows?: number; columns?: number },
  values: (cells: Cells) => Cells,
  scale: (cells: Cells) => Cells,
): PredictorMatrix {
  return {
    ...matrix,
    ...shape,
    values: values(matrix.values),
    ...('scale' in matrix && { scale: scale(matrix.scale) }),
  } as PredictorMatrix;
}
