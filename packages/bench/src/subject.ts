import { basename } from 'node:path';
import {
  hasExactZeros,
  type Mode,
  type ModelInfo,
  modelParameters,
  PipelineError,
} from '@thermocline/contracts';
import { demoModelPath } from '@thermocline/demo-model';
import { inspectModel } from '@thermocline/runtime';
import type { BenchmarkModel } from './benchmark.js';
import type { Vocabulary } from './tokens.js';

/** A model that is to be measured, by its header alone. */
export interface Subject {
  path: string;
  info: ModelInfo;
  vocabulary: Vocabulary;
  described: BenchmarkModel;
}

/**
 * Reads what a model's header says; without a path it is the demo model.
 *
 * @throws PipelineError as `inspectModel`, and `MODEL_UNSUPPORTED` where its shape is not understood
 */
export async function describeSubject(path: string = demoModelPath()): Promise<Subject> {
  const { info, fingerprint, metadata, tensors, ...rest } = await inspectModel(path);
  if (info === null) {
    const reason = rest.modelProblem ?? 'it holds a vocabulary only';
    throw new PipelineError('MODEL_UNSUPPORTED', `${path}: ${reason}`, { path, reason });
  }
  const told = new Map(metadata.map(({ key, summary }) => [key, summary]));
  const name = told.get('general.name') ?? basename(path);
  return {
    path,
    info,
    vocabulary: { size: info.vocab, bos: rest.vocabulary?.bos ?? null },
    described: {
      file: basename(path),
      name,
      fingerprint,
      synthetic: info.synthetic === true || name.startsWith('synthetic '),
      arch: info.arch,
      parameters: modelParameters(info),
      bytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
      weight_types: info.weight_types,
    },
  };
}

/** The modes to measure when none is named: all that need no predictors, and those they are for. */
export function modesOf({ info }: Subject, predictors: boolean): Mode[] {
  const sparse: Mode[] = hasExactZeros(info) ? ['exact'] : [];
  const lossy: Mode[] = predictors ? [hasExactZeros(info) ? 'predicted' : 'threshold'] : [];
  return ['dense', ...sparse, ...lossy];
}
