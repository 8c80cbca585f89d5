import {
  type Artifact,
  openArtifact,
  type TensorInfo,
  type TensorType,
} from '@thermocline/contracts';
import {
  damaged,
  denseStrides,
  type ElementType,
  inLayerOrder,
  namePattern,
  otherFormat,
  type StoredArray,
} from '@thermocline/tensor-files';
import { readCounts, squeeze } from './count-array.js';

const OWN_FORMAT = 'thermocline.activation-profile';

/** Counts of a safetensors file, and the tokens they come from where it says. */
export interface CountFile {
  /** One array for all layers, or one a layer in their order. */
  arrays: StoredArray[];
  /** [layers], or one number for all */
  tokens?: number | number[];
}

/**
 * Finds the counts in an open safetensors file: one array of [layers][neurons], or tensors that
 * differ in the number of their layer. Tokens are in tensors of one number a layer whose name
 * speaks of tokens, or in the metadata under `tokens`.
 *
 * @throws PipelineError `ARTIFACT_CORRUPT`, `ARTIFACT_FORMAT`, `ARTIFACT_MODEL_MISMATCH`
 */
export async function readSafetensors(path: string, layers: number): Promise<CountFile> {
  const artifact = await openArtifact(path);
  try {
    if (artifact.metadata.get('format') === OWN_FORMAT) {
      const remedy = 'Use it as it is, or merge it with others';
      throw otherFormat(path, 'a file of counts', 'an activation profile already', remedy);
    }
    return await findCounts(artifact, layers);
  } finally {
    await artifact.close();
  }
}

async function findCounts(artifact: Artifact, layers: number): Promise<CountFile> {
  const { path } = artifact;
  const groups = groupByPattern(artifact.tensors.values());
  const isTokens = (pattern: string, tensors: readonly TensorInfo[]) =>
    /token/i.test(pattern) && tensors.every(({ shape }) => elements(shape) === 1);
  const tokenGroup = [...groups].find(([pattern, tensors]) => isTokens(pattern, tensors))?.[1];
  const candidates = [...groups].filter(
    ([, tensors]) => tensors !== tokenGroup && tensors.every(({ shape }) => elements(shape) > 1),
  );
  const [group] = candidates;
  if (group === undefined || candidates.length > 1) {
    const found = candidates
      .map(([pattern]) => `"${pattern}"`)
      .slice(0, 6)
      .join(', ');
    const reason =
      group === undefined ? 'it holds no array of counts' : `it holds several kinds: ${found}`;
    throw damaged(path, reason, 'Write a file of nothing but the counts, one kind of name');
  }
  const tensors = group[1];
  const ordered = isWhole(tensors, layers) ? tensors : sortTensors(path, tensors, layers);
  const arrays = await Promise.all(ordered.map((tensor) => load(artifact, tensor)));
  const tokens = await readTokens(artifact, tokenGroup, layers);
  return { arrays, ...(tokens !== undefined && { tokens }) };
}

function groupByPattern(tensors: Iterable<TensorInfo>): Map<string, TensorInfo[]> {
  const groups = new Map<string, TensorInfo[]>();
  for (const tensor of tensors) {
    const pattern = namePattern(tensor.name);
    const group = groups.get(pattern);
    if (group === undefined) groups.set(pattern, [tensor]);
    else group.push(tensor);
  }
  return groups;
}

/** Whether one tensor is to be all layers. */
function isWhole(tensors: readonly TensorInfo[], layers: number): boolean {
  const [only, ...more] = tensors;
  if (only === undefined || more.length > 0) return false;
  return layers === 1 || only.shape.filter((size) => size !== 1).length > 1;
}

function sortTensors(path: string, tensors: readonly TensorInfo[], layers: number): TensorInfo[] {
  const names = tensors.map(({ name }) => name);
  return inLayerOrder(tensors, names, layers, path);
}

async function readTokens(
  artifact: Artifact,
  tensors: readonly TensorInfo[] | undefined,
  layers: number,
): Promise<number | number[] | undefined> {
  const { path } = artifact;
  if (tensors === undefined) {
    const text = artifact.metadata.get('tokens');
    if (text === undefined) return undefined;
    if (/^\d{1,15}$/.test(text)) return Number(text);
    throw damaged(path, `the metadata says "${text.slice(0, 40)}" tokens`);
  }
  const single = tensors.length === 1 && layers > 1;
  const ordered = single ? tensors : sortTensors(path, tensors, layers);
  const numbers: number[] = [];
  for (const [layer, tensor] of ordered.entries()) {
    const array = squeeze(await load(artifact, tensor));
    numbers.push(Number((await readCounts(array, layer, 1))[0]));
  }
  return single ? numbers[0] : numbers;
}

/** Reads a tensor while the file is open. */
async function load(artifact: Artifact, { name, type, shape }: TensorInfo): Promise<StoredArray> {
  const values = await artifact.read(name, type);
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return {
    path: artifact.path,
    tensor: name,
    type: elementType(type),
    little: true,
    shape,
    strides: denseStrides(shape),
    offset: 0,
    bytes: () => bytes,
  };
}

/** The two vocabularies differ in case only. */
function elementType(type: TensorType): ElementType {
  return type.toLowerCase() as Lowercase<TensorType>;
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
