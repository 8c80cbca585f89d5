// A layer's predictor between JavaScript and the core: objects with typed arrays, as
// contracts/predictor-layer.ts describes them. Arrays are copied.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "io/artifact_reader.h"

namespace thermocline::addon {

LayerPredictor::Kind ReadPredictorKind(Napi::Value value);
PredictorType ReadPredictorType(Napi::Value value);
std::vector<float> ReadFloats(Napi::Value value, const char* name);  // Float32Array

// Shapes are for the core to check.
LayerPredictor ReadPredictor(Napi::Value value);
// {fingerprint, layers}: only what an engine needs, and so without a model. Null: none.
std::shared_ptr<const PredictorSet> ReadPredictorSet(Napi::Value value);
Napi::Object FromPredictor(Napi::Env env, const LayerPredictor& predictor);

}  // namespace thermocline::addon
