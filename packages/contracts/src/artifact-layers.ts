import type { Artifact } from './artifact.js';
import { PipelineError } from './errors.js';
import { corrupt } from './file-errors.js';

/** Ends a check with the reason it failed; a reader and a writer each throw their own error. */
export type Refuse = (reason: string) => never;

/** For checks on a file that is being read. */
export function refuseFile(path: string): Refuse {
  return (reason) => {
    throw corrupt(path, reason);
  };
}

/** For checks on a value that is about to be written. */
export function refuseArgument(argument: string): Refuse {
  return (reason) => {
    throw new PipelineError('INVALID_ARGUMENT', `${argument}: ${reason}.`, { argument, reason });
  };
}

/** The name of a tensor of one layer. Layers count from 0, unpadded. */
export function layerTensor(layer: number, name: string): string {
  return `layers.${layer}.${name}`;
}

/**
 * Refuses tensors of layers the model does not have, and layer numbers spelled in another way:
 * `layers.01.fires` would otherwise be passed over in silence.
 */
export function requireLayerNames({ path, tensors }: Artifact, layers: number): void {
  for (const name of tensors.keys()) {
    if (!name.startsWith('layers.')) continue;
    const number = name.split('.')[1] as string;
    if (!/^(0|[1-9][0-9]*)$/.test(number) || Number(number) >= layers) {
      throw corrupt(path, `tensor "${name}" is of no layer: the model has 0 to ${layers - 1}`);
    }
  }
}
