import { createHash } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileError, type ModelInfo } from '@thermocline/contracts';
import {
  damaged,
  inLayerOrder,
  listFiles,
  openGguf,
  otherFormat,
  readTorchStateDict,
  type StoredArray,
} from '@thermocline/tensor-files';
import { fromBlocks, fromStored, type SourceMatrix } from './source-matrix.js';

/** One layer of a model of 70 billion parameters takes some 300 MiB. */
const MAX_TORCH_BYTES = 2 ** 31 - 1;
const FC1 = 'fc1.weight';
const FC2 = 'fc2.weight';

/** The two matrices of a layer: score = fc2 · relu(fc1 · x). */
export interface LayerSource {
  /** [rank × d_model] */
  fc1: SourceMatrix;
  /** [n_ff × rank] */
  fc2: SourceMatrix;
}

/** Predictors in files of PowerInfer, read layer by layer. */
export interface PredictorSource {
  /** In the order of the layers' numbers. */
  layers(): AsyncIterable<LayerSource>;
  /** The threshold the files state. */
  threshold: number | undefined;
  /** What they were read from, for the set's record; complete once all layers were read. */
  sources: Record<string, unknown>[];
}

/**
 * Finds predictors: files `model_N.pt` or a folder of them, or GGUF files with `blk.N.fc1.weight`
 * and `blk.N.fc2.weight`.
 *
 * @throws PipelineError `FILE_NOT_FOUND`, `IO_ERROR`, `ARTIFACT_CORRUPT`, `ARTIFACT_FORMAT`,
 * `ARTIFACT_MODEL_MISMATCH`, `INVALID_ARGUMENT`
 */
export async function findPredictors(
  paths: readonly string[],
  model: ModelInfo,
): Promise<PredictorSource> {
  const files = await listFiles(paths, torchFiles);
  const kinds = await Promise.all(files.map(isGguf));
  if (kinds.every((gguf) => gguf)) return ggufSource(files, model);
  if (kinds.every((gguf) => !gguf)) return torchSource(files, model);
  throw damaged(files[0] as string, 'GGUF and other files are mixed', 'Name those of one kind');
}

/** A folder stands for the `.pt` files in it. */
function torchFiles(folder: string, names: readonly string[]): string[] {
  const found = names.filter((name) => /\.(pt|pth)$/i.test(name));
  if (found.length > 0) return found;
  const remedy = 'Name a folder of model_0.pt, model_1.pt …, or a .gguf file';
  throw damaged(folder, 'the folder has no .pt files', remedy);
}

/** By content: PowerInfer's own files carry another magic, and any name. */
async function isGguf(path: string): Promise<boolean> {
  try {
    await using file = await open(path, 'r');
    const { bytesRead, buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return bytesRead === 4 && ['GGUF', 'PWRI'].includes(buffer.toString('latin1'));
  } catch (error) {
    throw fileError(path, error);
  }
}

async function torchSource(
  files: readonly string[],
  { layers }: ModelInfo,
): Promise<PredictorSource> {
  const ordered = inLayerOrder(files, files, layers);
  const sources: PredictorSource['sources'] = [];
  return {
    sources,
    threshold: await configuredThreshold(dirname(ordered[0] as string)),
    async *layers() {
      for (const path of ordered) {
        const bytes = await readTorchFile(path);
        const sha256 = createHash('sha256').update(bytes).digest('hex');
        sources.push({ name: basename(path), sha256 });
        const tensors = await readTorchStateDict(path, bytes);
        yield {
          fc1: await fromStored(pick(path, tensors, FC1)),
          fc2: await fromStored(pick(path, tensors, FC2)),
        };
      }
    },
  };
}

function pick(path: string, tensors: ReadonlyMap<string, StoredArray>, name: string): StoredArray {
  const remedy = 'A predictor is saved as torch.save(mlp.state_dict(), "model_N.pt")';
  const tensor = tensors.get(name);
  if (tensor === undefined) throw damaged(path, `the tensor "${name}" is missing`, remedy);
  const other = [...tensors.keys()].find((key) => key !== FC1 && key !== FC2);
  if (other === undefined) return tensor;
  // Biases, say: to leave them out would change the decision.
  throw damaged(path, `it holds "${other.slice(0, 80)}" beside ${FC1} and ${FC2}`, remedy);
}

async function readTorchFile(path: string): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size <= MAX_TORCH_BYTES) return await readFile(path);
    const remedy = 'Name files of one layer each';
    throw damaged(path, `${size} bytes are more than the predictor of a layer takes`, remedy);
  } catch (error) {
    throw fileError(path, error);
  }
}

/** PowerInfer's predictor folders have it in their `config.json`, where it is not 0. */
async function configuredThreshold(folder: string): Promise<number | undefined> {
  const path = join(folder, 'config.json');
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > 1 << 20) throw damaged(path, `${size} bytes are more than a configuration takes`);
    text = await readFile(path, 'utf8');
  } catch (error) {
    const problem = fileError(path, error);
    if (problem.code === 'FILE_NOT_FOUND') return undefined;
    throw problem;
  }
  try {
    const config = JSON.parse(text) as { sparse_threshold?: unknown } | null;
    const threshold = config?.sparse_threshold ?? undefined;
    if (threshold === undefined || typeof threshold === 'number') return threshold;
  } catch {
    throw damaged(path, 'it is no JSON');
  }
  throw damaged(path, 'its "sparse_threshold" is no number');
}

async function ggufSource(files: readonly string[], model: ModelInfo): Promise<PredictorSource> {
  /** Which file holds a tensor. */
  const places = new Map<string, string>();
  const sources: PredictorSource['sources'] = [];
  let threshold: number | undefined;
  for (const path of files) {
    await using file = await openGguf(path);
    const { size } = await stat(path);
    sources.push({ name: basename(path), bytes: size });
    const stated = file.metadata.get('powerinfer.sparse_threshold');
    if (typeof stated === 'number') threshold ??= stated;
    for (const name of file.names) {
      if (!/^blk\.\d+\.fc[12]\.weight$/.test(name)) continue;
      if (places.has(name)) throw damaged(path, `tensor "${name}" is in two of the files`);
      places.set(name, path);
    }
  }
  const first = files[0] as string;
  const ordered = (kind: string) => {
    const names = [...places.keys()].filter((name) => name.endsWith(kind));
    // The number of the layer is to be the only one.
    const blocks = names.map((name) => name.slice(0, -kind.length));
    if (names.length > 0) return inLayerOrder(names, blocks, model.layers, first);
    const found = `a file without "blk.N.${kind}"`;
    throw otherFormat(first, 'a file with predictors', found, 'Name a .powerinfer.gguf file');
  };
  const [fc1, fc2] = [ordered(FC1), ordered(FC2)];
  return {
    sources,
    threshold,
    async *layers() {
      for (const [layer, name] of fc1.entries()) {
        const second = fc2[layer] as string;
        yield { fc1: await readGguf(places, name), fc2: await readGguf(places, second) };
      }
    },
  };
}

async function readGguf(places: ReadonlyMap<string, string>, name: string): Promise<SourceMatrix> {
  await using file = await openGguf(places.get(name) as string);
  const { type } = file.tensor(name);
  if (type === 'Q8_0' || type === 'Q4_0') {
    return fromBlocks(file.path, file.tensor(name), await file.read(name));
  }
  return await fromStored(await file.array(name));
}
