// Re-codes the matrices of a GGUF file of F32, F16 or BF16 weights as another type; vectors (norms,
// biases) become F32. Deterministic: the same input gives the same bytes.
//
//   node e2e/tools/quantize-gguf.mjs model-f16.gguf model-q4_0.gguf --type Q4_0
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { elementCount, readGguf, readTensor, writeGguf } from './gguf.mjs';
import { decodeTensor, encodeTensor, WEIGHT_TYPES } from './tensor-codec.mjs';

/** @typedef {import('./tensor-codec.mjs').WeightType} WeightType */

/**
 * @param {string} input
 * @param {string} output
 * @param {WeightType | ((name: string) => WeightType)} type what matrices become; by name, as the usual
 *   mixtures of K-quants do
 * @param {(entries: Map<string, import('./gguf.mjs').Entry>) => void} [edit] changes the metadata
 */
export function quantizeGguf(input, output, type, edit) {
  const source = readGguf(input);
  const byName = new Map(source.tensors.map((tensor) => [tensor.name, tensor]));
  const metadata = new Map(source.metadata);
  const typeOf = typeof type === 'function' ? type : () => type;
  const fileType = WEIGHT_TYPES[typeOf('blk.0.ffn_up.weight')];
  metadata.set('general.file_type', { type: 'u32', value: fileType.fileType });
  if (fileType.block > 1) {
    metadata.set('general.quantization_version', { type: 'u32', value: 2 });
  }
  edit?.(metadata);
  const tensors = source.tensors.map(({ name, shape }) => {
    const matrixType = typeOf(name);
    const whole = (shape[0] ?? 0) % WEIGHT_TYPES[matrixType].block === 0;
    if (shape.length > 1 && !whole) throw new Error(`Rows of ${name} are not whole blocks`);
    return { name, shape, type: shape.length > 1 ? matrixType : /** @type {const} */ ('F32') };
  });
  writeGguf(output, metadata, tensors, (tensor) => {
    const stored = byName.get(tensor.name);
    if (stored === undefined) throw new Error(`No tensor ${tensor.name}`);
    const data = readTensor(source, stored);
    if (stored.type === tensor.type) return data;
    return encodeTensor(tensor.type, decodeTensor(stored.type, data, elementCount(stored)));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { type: { type: 'string', default: 'Q8_0' } },
  });
  const [input, output] = positionals;
  const type = values.type.toUpperCase();
  if (input === undefined || output === undefined || !(type in WEIGHT_TYPES)) {
    const types = Object.keys(WEIGHT_TYPES).join('|');
    console.error(`usage: node e2e/tools/quantize-gguf.mjs INPUT OUTPUT --type ${types}`);
    process.exit(2);
  }
  quantizeGguf(input, output, /** @type {WeightType} */ (type));
}
