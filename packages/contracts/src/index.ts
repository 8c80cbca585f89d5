export * from './activation-profile.js';
export * from './activation-source.js';
export { type Artifact, openArtifact, writeArtifact } from './artifact.js';
export {
  type ArtifactOrigin,
  type CorpusSource,
  FORMAT_VERSION,
  type Maker,
  type ReadArtifactOptions,
} from './artifact-origin.js';
export { type AppendBytes, writeFileAtomically } from './atomic-file.js';
export { checkWhole, invalidOption } from './check-options.js';
export * from './coactivation.js';
export * from './engine.js';
export * from './errors.js';
export { corrupt, fileError } from './file-errors.js';
export {
  type HardwareInfo,
  hardwareInfoToJson,
  parseHardwareInfo,
  readHardwareInfo,
  TIERS,
  type Tier,
  type TierInfo,
  writeHardwareInfo,
} from './hardware-info.js';
export * from './load-info.js';
export { hasExactZeros, type ModelInfo, parseModelInfo } from './model-info.js';
export { modelParameters } from './model-parameters.js';
export * from './placement-plan.js';
export {
  CALIBRATION_COLUMNS,
  type GatePredictor,
  type HeldOutQuality,
  type LayerPredictor,
  type LowRankPredictor,
  PREDICTOR_KINDS,
  type PredictorKind,
  predictorBytes,
  predictorWeights,
  type SignPredictor,
} from './predictor-layer.js';
export * from './predictor-math.js';
export {
  BLOCK_COLUMNS,
  matrixBytes,
  PREDICTOR_TYPES,
  type PredictorMatrix,
  type PredictorType,
} from './predictor-matrix.js';
export {
  type MeasuredLoss,
  PREDICTOR_SET_FORMAT,
  type PredictorSet,
  readPredictorSet,
  writePredictorSet,
} from './predictor-set.js';
export {
  TENSOR_TYPES,
  type TensorArray,
  type TensorData,
  type TensorInfo,
  type TensorType,
} from './tensor.js';
export {
  ASSUMED_TYPE,
  blockType,
  rowBytes,
  type WeightRole,
  weightType,
} from './weight-types.js';
