export {
  type ActivationSourceSuiteOptions,
  activationSourceSuite,
} from './activation-source-suite.js';
export { type ArtifactCodec, artifactSuite } from './artifact-suite.js';
export { planCodec, predictorCodec, profileCodec } from './codecs.js';
export { type ArtifactParts, rebuild, rewrite } from './edit-artifact.js';
export { type EngineSuiteOptions, engineSuite } from './engine-suite.js';
export { sampleModel, samplePlan, samplePredictors, sampleProfile } from './sample-artifacts.js';
