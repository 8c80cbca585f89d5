export { type ArtifactCodec, artifactSuite } from './artifact-suite.js';
export { planCodec, predictorCodec, profileCodec } from './codecs.js';
export { type ArtifactParts, rebuild, rewrite } from './edit-artifact.js';
export { sampleModel, samplePlan, samplePredictors, sampleProfile } from './sample-artifacts.js';
