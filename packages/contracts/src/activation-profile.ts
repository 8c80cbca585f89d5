import * as z from 'zod';
import { checkProfile } from './activation-profile-checks.js';
import { type Artifact, writeArtifact } from './artifact.js';
import { layerTensor, refuseArgument, refuseFile, requireLayerNames } from './artifact-layers.js';
import {
  type ArtifactOrigin,
  encodeOrigin,
  getJson,
  type ReadArtifactOptions,
  setJson,
  withArtifact,
} from './artifact-origin.js';
import { SKETCH_HASHES } from './coactivation.js';
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
  /** |h| above which a neuron counted as firing; absent: h ≠ 0 did. */
  threshold?: number;
  /**
   * Which neurons fire together: per neuron the smallest `tokenHash`es of the tokens on which it
   * fired, ascending, the rest `SKETCH_EMPTY`. [n_ff × SKETCH_HASHES]
   */
  coactivation?: Uint32Array;
}

/** The part of the counts that one kind of text made. */
export interface DomainActivations {
  name: string;
  /** Tokens seen. [layers] */
  tokens: number[];
  /** [layers][n_ff] */
  fires: BigInt64Array[];
}

/** More parts than any run is cut into; a file that claims more is damaged. */
export const MAX_SHARDS = 1_000_000;

const shardSchema = z.object({
  /** The same for all shards of one run: corpus, budget, windows and model. */
  run: z.string().min(1).max(256),
  index: z.number().int().nonnegative(),
  count: z.number().int().positive().max(MAX_SHARDS),
});

/** A part of a run: the windows i ≡ index mod count. */
export type Shard = z.infer<typeof shardSchema>;

/** How often each neuron of a model fires: what a profiler makes and a solver reads. */
export interface ActivationProfile extends ArtifactOrigin {
  /** [layers], in the order of their numbers */
  layers: LayerActivations[];
  /** The counts apart, where several kinds of text were read; they add up to those of `layers`. */
  domains?: DomainActivations[];
  /** The parts it consists of, as long as some of their run are missing. */
  shards?: Shard[];
}

const domainNames = z.array(z.string().min(1).max(256)).max(1024);

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
  const metadata = encodeOrigin(ACTIVATION_PROFILE_FORMAT, profile);
  const { domains, shards } = profile;
  setJson(
    metadata,
    'domains',
    domains?.map(({ name }) => name),
    domainNames,
  );
  setJson(metadata, 'shards', shards, z.array(shardSchema));
  const tensors = profile.layers.flatMap((layer, index) => [
    ...layerTensors(layer, index),
    ...domainTensors(domains, index),
  ]);
  await writeArtifact(path, metadata, tensors);
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
    const names = getJson(artifact, 'domains', domainNames);
    const shards = getJson(artifact, 'shards', z.array(shardSchema));
    const domains = names?.map((name): DomainActivations => ({ name, tokens: [], fires: [] }));
    const layers: LayerActivations[] = [];
    for (const [layer, neurons] of origin.model.n_ff.entries()) {
      layers.push(await readLayer(artifact, layer, neurons));
      if (domains) await readDomains(artifact, layer, neurons, domains);
    }
    const profile = { ...origin, layers, ...(domains && { domains }), ...(shards && { shards }) };
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
  if (has('threshold')) {
    const [threshold] = await artifact.read(name('threshold'), 'F32', [1]);
    result.threshold = threshold as number;
  }
  if (has('coactivation')) {
    const shape = [neurons, SKETCH_HASHES];
    result.coactivation = await artifact.read(name('coactivation'), 'U32', shape);
  }
  return result;
}

async function readDomains(
  artifact: Artifact,
  layer: number,
  neurons: number,
  domains: DomainActivations[],
): Promise<void> {
  const count = domains.length;
  const tokens = await artifact.read(layerTensor(layer, 'domain_tokens'), 'I64', [count]);
  const fires = await artifact.read(layerTensor(layer, 'domain_fires'), 'I64', [count, neurons]);
  for (const [index, domain] of domains.entries()) {
    domain.tokens.push(Number(tokens[index]));
    domain.fires.push(fires.slice(index * neurons, (index + 1) * neurons));
  }
}

function domainTensors(
  domains: readonly DomainActivations[] | undefined,
  layer: number,
): TensorData[] {
  if (domains === undefined) return [];
  const tokens = BigInt64Array.from(domains, (domain) => BigInt(domain.tokens[layer] as number));
  const neurons = domains[0]?.fires[layer]?.length ?? 0;
  const fires = new BigInt64Array(domains.length * neurons);
  for (const [index, domain] of domains.entries()) {
    fires.set(domain.fires[layer] as BigInt64Array, index * neurons);
  }
  const count = domains.length;
  return [
    { name: layerTensor(layer, 'domain_tokens'), type: 'I64', shape: [count], data: tokens },
    { name: layerTensor(layer, 'domain_fires'), type: 'I64', shape: [count, neurons], data: fires },
  ];
}

function layerTensors(layer: LayerActivations, index: number): TensorData[] {
  const { tokens, fires, absSum, contribution, magnitudes, threshold, coactivation } = layer;
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
  if (threshold !== undefined) {
    const data = Float32Array.of(threshold);
    tensors.push({ name: name('threshold'), type: 'F32', shape: [1], data });
  }
  if (coactivation) {
    const sketches = [fires.length, SKETCH_HASHES];
    tensors.push({ name: name('coactivation'), type: 'U32', shape: sketches, data: coactivation });
  }
  return tensors;
}
