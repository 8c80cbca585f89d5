import * as z from 'zod';
import { type Artifact, openArtifact } from './artifact.js';
import { refuseArgument } from './artifact-layers.js';
import { PipelineError } from './errors.js';
import { corrupt } from './file-errors.js';
import { fromFileKeys, toFileKeys } from './json-keys.js';
import { describeIssue, type ModelInfo, modelInfoSchema, parseModelInfo } from './model-info.js';
import { parseStrictJson } from './strict-json.js';

/** The version of all three formats that this release writes and reads. */
export const FORMAT_VERSION = '1';

const corpusSchema = z.object({
  /** A name for people; usually the file name. */
  name: z.string(),
  /** Hash of the bytes that were read, hexadecimal. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in lower-case hexadecimal'),
  /** Tokens taken from it. */
  tokens: z.number().int().nonnegative(),
});

/** A text that went into an artifact. */
export type CorpusSource = z.infer<typeof corpusSchema>;

const makerSchema = z.object({
  tool: z.string().min(1),
  version: z.string(),
  /** What it was asked to do, for people and for repeating it. */
  options: z.record(z.string(), z.unknown()),
});

/** What made an artifact. */
export type Maker = z.infer<typeof makerSchema>;

/** Where an artifact comes from: the part all three formats share. */
export interface ArtifactOrigin {
  /** Of the model it was made for. */
  fingerprint: string;
  /** That model's shape, so that the artifact can be used without it. */
  model: ModelInfo;
  corpora: CorpusSource[];
  /** Absent in files of other tools that do not say. */
  madeBy?: Maker;
}

/** What a reader insists on beside the format. */
export interface ReadArtifactOptions {
  /** Refuse an artifact of another model. Left out: any model is fine. */
  fingerprint?: string;
}

/**
 * Opens an artifact of one format, hands it to `body`, and closes it.
 *
 * @throws PipelineError `ARTIFACT_FORMAT`, `ARTIFACT_VERSION`, `ARTIFACT_MODEL_MISMATCH`
 */
export async function withArtifact<T>(
  path: string,
  format: string,
  options: ReadArtifactOptions,
  body: (artifact: Artifact, origin: ArtifactOrigin) => Promise<T>,
): Promise<T> {
  const artifact = await openArtifact(path);
  try {
    requireSame('ARTIFACT_FORMAT', artifact, 'format', format);
    requireSame('ARTIFACT_VERSION', artifact, 'format_version', FORMAT_VERSION);
    const origin = decodeOrigin(artifact);
    if (options.fingerprint !== undefined) {
      requireSame('ARTIFACT_MODEL_MISMATCH', artifact, 'fingerprint', options.fingerprint);
    }
    return await body(artifact, origin);
  } finally {
    await artifact.close();
  }
}

/**
 * The metadata every artifact carries.
 *
 * @throws PipelineError `INVALID_ARGUMENT`
 */
export function encodeOrigin(format: string, origin: ArtifactOrigin): Map<string, string> {
  if (origin.fingerprint === '') refuseArgument('fingerprint')('is empty');
  const metadata = new Map([
    ['format', format],
    ['format_version', FORMAT_VERSION],
    ['fingerprint', origin.fingerprint],
    ['model', JSON.stringify(parseModelInfo(origin.model))],
    ['corpora', JSON.stringify(valid('corpora', origin.corpora, z.array(corpusSchema)))],
  ]);
  if (origin.madeBy !== undefined) {
    metadata.set('made_by', JSON.stringify(valid('madeBy', origin.madeBy, makerSchema)));
  }
  return metadata;
}

/** Puts a value with fixed keys into metadata, as JSON with keys in snake_case. */
export function setJson<T>(
  metadata: Map<string, string>,
  key: string,
  value: T | undefined,
  schema: z.ZodType<T>,
): void {
  if (value === undefined) return;
  metadata.set(key, JSON.stringify(toFileKeys(valid(key, value, schema))));
}

function valid<T>(argument: string, value: T, schema: z.ZodType<T>): T {
  const result = schema.safeParse(value);
  return result.success ? result.data : refuseArgument(argument)(describeIssue(result.error));
}

/** Takes a value written by `setJson`; `undefined` where there is none. */
export function getJson<T>(artifact: Artifact, key: string, schema: z.ZodType<T>): T | undefined {
  const text = artifact.metadata.get(key);
  return text === undefined ? undefined : decode(artifact.path, key, text, schema, fromFileKeys);
}

function decodeOrigin(artifact: Artifact): ArtifactOrigin {
  const { path, metadata } = artifact;
  const fingerprint = metadata.get('fingerprint');
  const model = metadata.get('model');
  const corpora = metadata.get('corpora');
  const madeBy = metadata.get('made_by');
  if (!fingerprint) throw corrupt(path, 'the metadata has no "fingerprint"');
  if (model === undefined) throw corrupt(path, 'the metadata has no "model"');
  return {
    fingerprint,
    model: decode(path, 'model', model, modelInfoSchema),
    corpora: corpora === undefined ? [] : decode(path, 'corpora', corpora, z.array(corpusSchema)),
    ...(madeBy !== undefined && { madeBy: decode(path, 'made_by', madeBy, makerSchema) }),
  };
}

function decode<T>(
  path: string,
  key: string,
  text: string,
  schema: z.ZodType<T>,
  prepare: (json: unknown) => unknown = (json) => json,
): T {
  let json: unknown;
  try {
    json = parseStrictJson(text);
  } catch (error) {
    throw corrupt(path, `metadata "${key}" is not valid JSON: ${(error as Error).message}`);
  }
  const result = schema.safeParse(prepare(json));
  if (result.success) return result.data;
  throw corrupt(path, `metadata "${key}" is not as it should be: ${describeIssue(result.error)}`);
}

const REMEDIES = {
  ARTIFACT_FORMAT: 'Name a file of that format',
  ARTIFACT_VERSION: 'Make it again with this release, or read it with the one that made it',
  ARTIFACT_MODEL_MISMATCH: 'Make it again for this model, or name the model it was made for',
};

function requireSame(
  code: keyof typeof REMEDIES,
  { path, metadata }: Artifact,
  key: string,
  expected: string,
): void {
  const found = metadata.get(key) ?? '(none)';
  if (found === expected) return;
  const differ = `the ${key} is "${shorten(found)}", not "${shorten(expected)}"`;
  const message = `${path}: ${differ}. ${REMEDIES[code]}.`;
  throw new PipelineError(code, message, { path, expected, found });
}

/** A hash as people compare it; the details of the error have all of it. */
function shorten(value: string): string {
  return /^[0-9a-f]{64}$/.test(value) ? `${value.slice(0, 12)}…` : value;
}
