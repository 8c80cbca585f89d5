import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openArtifact } from '../artifact.js';
import { planCodec, predictorCodec, profileCodec } from './codecs.js';

/** The golden artifacts by file name. */
export const GOLDEN_FILES = {
  'activation-profile.safetensors': profileCodec,
  'placement-plan.safetensors': planCodec,
  'predictor-set.safetensors': predictorCodec,
};

/**
 * Writes the golden artifacts and two descriptions of them, for readers in other languages:
 * `expected.txt` has one line `file tensor type shape fnv1a64-of-its-bytes` per tensor, in file
 * order, the shape as `8` or `64x16`; `expected.json` has the metadata and all values.
 */
export async function writeGoldenFiles(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await profileCodec.write(join(folder, 'activation-profile.safetensors'), profileCodec.sample());
  await planCodec.write(join(folder, 'placement-plan.safetensors'), planCodec.sample());
  await predictorCodec.write(join(folder, 'predictor-set.safetensors'), predictorCodec.sample());
  const lines: string[] = [];
  const values: Record<string, unknown> = {};
  for (const fileName of Object.keys(GOLDEN_FILES)) {
    await using artifact = await openArtifact(join(folder, fileName));
    const tensors: Record<string, unknown> = {};
    for (const { name, type, shape } of artifact.tensors.values()) {
      const data = await artifact.read(name, type);
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      lines.push(`${fileName} ${name} ${type} ${shape.join('x')} ${fnv1a64(bytes)}\n`);
      tensors[name] = { type, shape, values: Array.from(data, Number) };
    }
    values[fileName] = { metadata: Object.fromEntries(artifact.metadata), tensors };
  }
  await writeFile(join(folder, 'expected.txt'), lines.join(''));
  await writeFile(join(folder, 'expected.json'), `${JSON.stringify(values)}\n`);
}

/** The 64-bit FNV-1a hash as 16 hexadecimal digits: small enough to write again anywhere. */
export function fnv1a64(bytes: Uint8Array): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, '0');
}
