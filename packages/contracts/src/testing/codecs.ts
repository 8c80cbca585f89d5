import {
  ACTIVATION_PROFILE_FORMAT,
  type ActivationProfile,
  readActivationProfile,
  writeActivationProfile,
} from '../activation-profile.js';
import {
  PLACEMENT_PLAN_FORMAT,
  type PlacementPlan,
  readPlacementPlan,
  writePlacementPlan,
} from '../placement-plan.js';
import {
  PREDICTOR_SET_FORMAT,
  type PredictorSet,
  readPredictorSet,
  writePredictorSet,
} from '../predictor-set.js';
import type { ArtifactCodec } from './artifact-suite.js';
import { samplePlan, samplePredictors, sampleProfile } from './sample-artifacts.js';

/** This package's own readers and writers, as the suite takes them. */
export const profileCodec: ArtifactCodec<ActivationProfile> = {
  format: ACTIVATION_PROFILE_FORMAT,
  sample: sampleProfile,
  write: writeActivationProfile,
  read: readActivationProfile,
};

export const planCodec: ArtifactCodec<PlacementPlan> = {
  format: PLACEMENT_PLAN_FORMAT,
  sample: samplePlan,
  write: writePlacementPlan,
  read: readPlacementPlan,
};

export const predictorCodec: ArtifactCodec<PredictorSet> = {
  format: PREDICTOR_SET_FORMAT,
  sample: samplePredictors,
  write: writePredictorSet,
  read: readPredictorSet,
};
