// The three artifacts as plain data, checked as far as an engine relies on them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "io/artifact.h"
#include "util/status.h"

namespace thermocline {

struct LayerActivations {
  int64_t tokens = 0;
  std::vector<int64_t> fires;         // [n_ff]
  std::vector<double> abs_sum;        // [n_ff], or empty
  std::vector<double> contribution;   // [n_ff], or empty
  std::vector<int64_t> magnitudes;    // [256], or empty
};

struct ActivationProfile {
  std::string fingerprint;
  ArtifactModel model;
  std::vector<LayerActivations> layers;
};

struct LayerPlacement {
  std::vector<uint32_t> order;  // [n_ff] neuron ids in storage order, each once
  uint32_t gpu_end = 0;         // order[0..gpu_end) on the GPU,
  uint32_t cpu_end = 0;         // order[gpu_end..cpu_end) on the CPU, the rest on flash
};

struct TierBytes {
  uint64_t gpu = 0;
  uint64_t cpu = 0;
  uint64_t flash = 0;
};

struct PlacementPlan {
  std::string fingerprint;
  ArtifactModel model;
  std::vector<LayerPlacement> layers;
  TierBytes budget_bytes;
};

enum class PredictorType { kF32, kF16, kBF16, kI8 };

struct PredictorMatrix {
  PredictorType type = PredictorType::kF32;
  int64_t rows = 0;
  int64_t cols = 0;
  std::vector<std::byte> values;  // [rows][cols], little-endian elements of `type`
  std::vector<float> scale;       // [rows] for I8, else empty
};

// score = up · f(down · x), f the identity or (trained) ReLU; fires above threshold.
struct LayerPredictor {
  enum class Kind { kNone, kTrained, kFactorised };
  Kind kind = Kind::kNone;  // none: compute every neuron of this layer
  bool reads_previous_layer = false;
  PredictorMatrix down;          // [rank][d_model]
  PredictorMatrix up;            // [n_ff][rank]
  std::vector<float> threshold;  // [1] or [n_ff]
};

struct PredictorSet {
  std::string fingerprint;
  ArtifactModel model;
  std::vector<LayerPredictor> layers;
};

// `fingerprint` as in Artifact::Open.
Result<ActivationProfile> ReadActivationProfile(const std::string& path,
                                                const std::string& fingerprint = {});
Result<PlacementPlan> ReadPlacementPlan(const std::string& path,
                                        const std::string& fingerprint = {});
Result<PredictorSet> ReadPredictorSet(const std::string& path,
                                      const std::string& fingerprint = {});

}  // namespace thermocline
