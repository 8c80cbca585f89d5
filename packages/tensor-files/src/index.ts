export { type GgufFile, type GgufTensor, openGguf } from './gguf.js';
export type { GgufType, GgufValue } from './gguf-header.js';
export { damaged, otherFormat, otherModel } from './import-error.js';
export { inLayerOrder, namePattern } from './layer-numbers.js';
export { type ChooseFiles, listFiles } from './list-files.js';
export { readFloats, readHalfBits } from './read-numbers.js';
export { readTorch, readTorchStateDict } from './read-torch.js';
export {
  brainToNumber,
  denseStrides,
  describeArray,
  ELEMENTS,
  type ElementType,
  halfToNumber,
  type StoredArray,
} from './stored-array.js';
