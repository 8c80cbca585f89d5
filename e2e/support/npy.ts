import { readFileSync } from 'node:fs';

/** An array of integers with its shape, as NumPy stores it in C order. */
export interface NpyArray {
  shape: number[];
  values: Uint16Array | Int32Array | Uint32Array | BigInt64Array;
}

const ARRAYS = {
  '<u2': Uint16Array,
  '<i4': Int32Array,
  '<u4': Uint32Array,
  '<i8': BigInt64Array,
} as const;

/** Reads an `.npy` file of integers. */
export function readNpy(path: string): NpyArray {
  const data = readFileSync(path);
  const headerEnd = 10 + data.readUInt16LE(8);
  const header = data.toString('latin1', 10, headerEnd);
  const descr = /'descr':\s*'([^']+)'/.exec(header)?.[1] ?? '';
  const shape = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1] ?? '';
  if (!(descr in ARRAYS) || header.includes("'fortran_order': True")) {
    throw new Error(`${path} holds ${header}, not integers in C order`);
  }
  const body = new Uint8Array(data.subarray(headerEnd)).buffer;
  return {
    shape: shape.split(',').map(Number).filter(Boolean),
    values: new ARRAYS[descr as keyof typeof ARRAYS](body),
  };
}
