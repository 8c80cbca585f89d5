import { type Artifact, writeArtifact } from './artifact.js';
import {
  layerTensor,
  type Refuse,
  refuseArgument,
  refuseFile,
  requireLayerNames,
} from './artifact-layers.js';
import {
  type ArtifactOrigin,
  encodeOrigin,
  type ReadArtifactOptions,
  withArtifact,
} from './artifact-origin.js';
import type { TensorData } from './tensor.js';

export const ACTIVATION_PROFILE_FORMAT = 'thermocline.activation-profile';

/** Bins of a magnitude histogram: eight per octave from 2⁻²⁴ to 2⁸, with open ends. */
export const MAGNITUDE_BINS = 256;

/** Where a bin of the magnitude histogram begins. The first also takes all below, the last all above. */
export function magnitudeBinStart(bin: number): number {
  return 2 ** (bin / 8 - 24);
}

/** What the neurons of one layer did. Arrays are by neuron id. */
export interface LayerActivations {
  /** Tokens seen. */
  tokens: number;
  /** How many of them made the neuron fire. [n_ff] */
  fires: BigInt64Array;
  /** Σ |h| over tokens. [n_ff] */
  absSum?: Float64Array;
  /** Σ |h| · ‖down column‖ over tokens. [n_ff] */
  contribution?: Float64Array;
  /** How many activations had a magnitude in each bin, over all neurons. [MAGNITUDE_BINS] */
  magnitudes?: BigInt64Array;
}

/** How often each neuron of a model fires: what a profiler makes and a solver reads. */
export interface ActivationProfile extends ArtifactOrigin {
  /** [layers], in the order of their numbers */
  layers: LayerActivations[];
}

/**
 * Writes an activation profile, complete or not at all.
 *
 * @throws PipelineError `INVALID_ARGUMENT` when the profile contradicts itself, `IO_ERROR`
 */
export async function writeActivationProfile(
  path: string,
  profile: ActivationProfile,
): Promise<void> {
  checkProfile(profile, refuseArgument('profile'));
  const tensors = profile.layers.flatMap(layerTensors);
  await writeArtifact(path, encodeOrigin(ACTIVATION_PROFILE_FORMAT, profile), tensors);
}

/**
 * Reads an activation profile and checks that it makes sense.
 *
 * @throws PipelineError `FILE_NOT_FOUND`, `ARTIFACT_CORRUPT`, `ARTIFACT_FORMAT`,
 * `ARTIFACT_VERSION`, `ARTIFACT_MODEL_MISMATCH`
 *
 * @example
 * const profile = await readActivationProfile('story.profile.safetensors');
 * console.log(profile.layers[0]?.fires[17]);
 */
export function readActivationProfile(
  path: string,
  options: ReadArtifactOptions = {},
): Promise<ActivationProfile> {
  return withArtifact(path, ACTIVATION_PROFILE_FORMAT, options, async (artifact, origin) => {
    requireLayerNames(artifact, origin.model.layers);
    const layers: LayerActivations[] = [];
    for (const [layer, neurons] of origin.model.n_ff.entries()) {
      layers.push(await readLayer(artifact, layer, neurons));
    }
    const profile = { ...origin, layers };
    checkProfile(profile, refuseFile(path));
    return profile;
  });
}

async function readLayer(
  artifact: Artifact,
  layer: number,
  neurons: number,
): Promise<LayerActivations> {
  const name = (field: string) => layerTensor(layer, field);
  const has = (field: string) => artifact.tensors.has(name(field));
  const [tokens] = await artifact.read(name('tokens'), 'I64', [1]);
  const result: LayerActivations = {
    tokens: Number(tokens),
    fires: await artifact.read(name('fires'), 'I64', [neurons]),
  };
  if (has('abs_sum')) result.absSum = await artifact.read(name('abs_sum'), 'F64', [neurons]);
  if (has('contribution')) {
    result.contribution = await artifact.read(name('contribution'), 'F64', [neurons]);
  }
  if (has('magnitudes')) {
    result.magnitudes = await artifact.read(name('magnitudes'), 'I64', [MAGNITUDE_BINS]);
  }
  return result;
}

function layerTensors(layer: LayerActivations, index: number): TensorData[] {
  const { tokens, fires, absSum, contribution, magnitudes } = layer;
  const name = (field: string) => layerTensor(index, field);
  const shape = [fires.length];
  const tensors: TensorData[] = [
    { name: name('tokens'), type: 'I64', shape: [1], data: BigInt64Array.of(BigInt(tokens)) },
    { name: name('fires'), type: 'I64', shape, data: fires },
  ];
  if (absSum) tensors.push({ name: name('abs_sum'), type: 'F64', shape, data: absSum });
  if (contribution) {
    tensors.push({ name: name('contribution'), type: 'F64', shape, data: contribution });
  }
  if (magnitudes) {
    tensors.push({
      name: name('magnitudes'),
      type: 'I64',
      shape: [MAGNITUDE_BINS],
      data: magnitudes,
    });
  }
  return tensors;
}

function checkProfile({ model, layers }: ActivationProfile, refuse: Refuse): void {
  if (layers.length !== model.layers) refuse(`${layers.length} layers, the model ${model.layers}`);
  for (const [index, layer] of layers.entries()) {
    const neurons = model.n_ff[index] as number;
    const here = (reason: string) => refuse(`layer ${index}: ${reason}`);
    if (!Number.isSafeInteger(layer.tokens) || layer.tokens < 0) {
      here(`${layer.tokens} is no number of tokens`);
    }
    if (layer.fires.length !== neurons) here(`${layer.fires.length} of ${neurons} neurons`);
    const limit = BigInt(layer.tokens);
    const impossible = layer.fires.findIndex((count) => count < 0n || count > limit);
    if (impossible >= 0) {
      here(`neuron ${impossible} fired ${layer.fires[impossible]} times in ${limit} tokens`);
    }
    checkSums('abs_sum', layer.absSum, neurons, here);
    checkSums('contribution', layer.contribution, neurons, here);
    checkMagnitudes(layer.magnitudes, here);
  }
}

function checkSums(name: string, sums: Float64Array | undefined, neurons: number, refuse: Refuse) {
  if (sums === undefined) return;
  if (sums.length !== neurons) refuse(`${name} has ${sums.length} of ${neurons} neurons`);
  const wrong = sums.findIndex((sum) => !(sum >= 0 && sum < Number.POSITIVE_INFINITY));
  if (wrong >= 0) refuse(`${name} of neuron ${wrong} is ${sums[wrong]}`);
}

function checkMagnitudes(magnitudes: BigInt64Array | undefined, refuse: Refuse): void {
  if (magnitudes === undefined) return;
  if (magnitudes.length !== MAGNITUDE_BINS) refuse(`magnitudes has ${magnitudes.length} bins`);
  if (magnitudes.some((count) => count < 0n)) refuse('magnitudes has a negative count');
}
