import { openArtifact, type SampleSet } from '@thermocline/contracts';
import { fromHalf } from './from-half.js';

/** One token of one layer. */
export interface SampleRow {
  x: Float64Array;
  /** |h| where it fires, else 0. [n_ff] */
  h: Float64Array;
}

/** Reads samples as any other trainer would, by the page of the format alone. */
export async function readSamples({ files, norms }: SampleSet): Promise<SampleRow[]> {
  const samples: SampleRow[] = [];
  for (const path of files) {
    await using file = await openArtifact(path);
    const x = await file.read('x', 'F16');
    const fires = await file.read('fires', 'U8');
    const values = await file.read('values', 'F16');
    const offsets = await file.read('offsets', 'I64');
    const rows = offsets.length - 1;
    const [width, maskBytes] = [x.length / rows, fires.length / rows];
    for (let row = 0; row < rows; row++) {
      const h = new Float64Array(norms.length);
      let at = Number(offsets[row]);
      for (let n = 0; n < norms.length; n++) {
        if (((fires[row * maskBytes + (n >> 3)] as number) >> (n & 7)) & 1) {
          h[n] = fromHalf(values[at++] as number) || 2 ** -25;
        }
      }
      if (at !== Number(offsets[row + 1])) throw new Error(`${path}: values and fires disagree`);
      samples.push({
        x: Float64Array.from(x.subarray(row * width, (row + 1) * width), fromHalf),
        h,
      });
    }
  }
  return samples;
}
