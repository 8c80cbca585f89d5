import { join } from 'node:path';
import { FORMAT_VERSION, type ModelInfo, writeArtifact } from '@thermocline/contracts';
import { makeFolder } from './make-folder.js';
import type { PackedRows } from './sample-rows.js';

/** Rows of a file. */
const FILE_ROWS = 8192;

/** What the files of a layer say of themselves. */
export interface SampleOrigin {
  fingerprint: string;
  model: ModelInfo;
  layer: number;
}

/** Where the samples of a layer lie. */
function layerFolder(folder: string, layer: number): string {
  return join(folder, `layer-${layer}`);
}

/** The files of a layer, in order, when there are so many. */
export function sampleFiles(folder: string, layer: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) =>
    join(layerFolder(folder, layer), `${String(index).padStart(6, '0')}.safetensors`),
  );
}

/** Rows of each of the files that some rows take. */
export function rowsOfFiles(rows: number): number[] {
  return Array.from({ length: Math.ceil(rows / FILE_ROWS) }, (_, index) =>
    Math.min(FILE_ROWS, rows - index * FILE_ROWS),
  );
}

/**
 * Writes samples of one layer behind the `before` files that are there.
 *
 * @returns bytes written
 * @throws PipelineError `IO_ERROR`, such as for a disk that is full
 */
export async function writeSamples(
  folder: string,
  before: number,
  packed: PackedRows,
  origin: SampleOrigin,
): Promise<number> {
  const { fingerprint, model, layer } = origin;
  const metadata = new Map([
    ['format', 'thermocline.samples'],
    ['format_version', FORMAT_VERSION],
    ['fingerprint', fingerprint],
    ['model', JSON.stringify(model)],
    ['layer', String(layer)],
  ]);
  await makeFolder(layerFolder(folder, layer));
  const paths = sampleFiles(folder, layer, before + rowsOfFiles(packed.rows).length).slice(before);
  let bytes = 0;
  for (const [index, path] of paths.entries()) {
    const first = index * FILE_ROWS;
    const { x, fires, values, offsets, rows } = rowsBetween(packed, first, first + FILE_ROWS);
    await writeArtifact(path, metadata, [
      { name: 'x', type: 'F16', shape: [rows, x.length / rows], data: x },
      { name: 'fires', type: 'U8', shape: [rows, fires.length / rows], data: fires },
      { name: 'values', type: 'F16', shape: [values.length], data: values },
      { name: 'offsets', type: 'I64', shape: [rows + 1], data: offsets },
    ]);
    bytes += x.byteLength + fires.byteLength + values.byteLength + offsets.byteLength;
  }
  return bytes;
}

function rowsBetween(packed: PackedRows, first: number, end: number) {
  const last = Math.min(end, packed.rows);
  const { x, fires, values, offsets } = packed;
  const part = <T extends Uint8Array | Uint16Array>(array: T) => {
    const width = array.length / packed.rows;
    return array.subarray(first * width, last * width) as T;
  };
  const begin = offsets[first] as number;
  return {
    rows: last - first,
    x: part(x),
    fires: part(fires),
    values: values.subarray(begin, offsets[last]),
    offsets: BigInt64Array.from(offsets.subarray(first, last + 1), (at) => BigInt(at - begin)),
  };
}
