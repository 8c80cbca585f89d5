import { openArtifact, PipelineError } from '@thermocline/contracts';
import type { ModelInspection } from '@thermocline/engine-native';
import type { FfnNorm } from '@thermocline/predictor';
import {
  denseStrides,
  type ElementType,
  openGguf,
  readFloats,
  type StoredArray,
} from '@thermocline/tensor-files';

/** What Hugging Face calls the norm before the FFN, by architecture. */
const HUGGING_FACE: Record<string, string> = {
  llama: 'post_attention_layernorm',
  opt: 'final_layer_norm',
};
const ELEMENT_TYPES: Record<string, ElementType> = { F32: 'f32', F16: 'f16', BF16: 'bf16' };

/**
 * Reads the weights of the norms before the FFNs from a model's files. A norm that also has a bias
 * is a LayerNorm.
 *
 * @returns one a layer
 * @throws PipelineError `MODEL_UNSUPPORTED` when the model has no such norms, or in a type that is
 * not read; those of the files
 *
 * @example
 * const norms = await readFfnNorms(await inspectModel('model.gguf'));
 */
export async function readFfnNorms(inspection: ModelInspection): Promise<FfnNorm[]> {
  const { container, paths, tensors } = inspection;
  const info = requireInfo(inspection);
  const names = new Set(tensors.map(({ name }) => name));
  const norms = new Map<number, Float32Array>();
  for (const path of paths) {
    const read = container === 'gguf' ? readFromGguf : readFromSafetensors;
    for (const [layer, weight] of await read(path, info.arch)) norms.set(layer, weight);
  }
  return Array.from({ length: info.layers }, (_, layer): FfnNorm => {
    const weight = norms.get(layer);
    if (weight === undefined) {
      throw unsupported(inspection, `the norm before the FFN of layer ${layer} was not found`);
    }
    const kind = names.has(`blk.${layer}.ffn_norm.bias`) ? 'layer' : 'rms';
    return { kind, weight };
  });
}

function requireInfo(inspection: ModelInspection) {
  if (inspection.info !== null) return inspection.info;
  throw unsupported(inspection, inspection.modelProblem ?? 'it holds a vocabulary only');
}

function unsupported({ paths }: ModelInspection, reason: string) {
  const [path = ''] = paths;
  return new PipelineError('MODEL_UNSUPPORTED', `${path}: ${reason}.`, { path, reason });
}

async function readFromGguf(path: string): Promise<Map<number, Float32Array>> {
  await using file = await openGguf(path);
  const norms = new Map<number, Float32Array>();
  for (const name of file.names) {
    const layer = /^blk\.(\d+)\.ffn_norm\.weight$/.exec(name)?.[1];
    if (layer !== undefined) norms.set(Number(layer), await readFloats(await file.array(name)));
  }
  return norms;
}

async function readFromSafetensors(path: string, arch: string): Promise<Map<number, Float32Array>> {
  const norms = new Map<number, Float32Array>();
  const called = HUGGING_FACE[arch];
  if (called === undefined) return norms;
  const pattern = new RegExp(`(?:^|\\.)layers\\.(\\d+)\\.${called}\\.weight$`);
  await using file = await openArtifact(path);
  for (const { name, type, shape } of file.tensors.values()) {
    const layer = pattern.exec(name)?.[1];
    if (layer === undefined) continue;
    const element = ELEMENT_TYPES[type];
    if (element === undefined) {
      const reason = `"${name}" is of type ${type}; norms of ${Object.keys(ELEMENT_TYPES).join(', ')} are read`;
      throw new PipelineError('WEIGHT_TYPE_UNSUPPORTED', `${path}: ${reason}.`, { path, reason });
    }
    const values = await file.read(name, type);
    const array: StoredArray = {
      path,
      tensor: name,
      type: element,
      little: true,
      shape,
      strides: denseStrides(shape),
      offset: 0,
      bytes: () => new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    };
    norms.set(Number(layer), await readFloats(array));
  }
  return norms;
}
