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

// Q8_0 and Q4_0 as in the engine's files: 32 columns share an F16 scale.
enum class PredictorType { kF32, kF16, kBF16, kI8, kQ8_0, kQ4_0 };

struct PredictorMatrix {
  PredictorType type = PredictorType::kF32;
  int64_t rows = 0;
  int64_t cols = 0;  // a multiple of 32 for Q8_0 and Q4_0
  // [rows][cols], little-endian elements of `type`; Q4_0: [rows][cols / 2], byte i of each 16 holds
  // element i of its block low and element i + 16 high, both offset by 8.
  std::vector<std::byte> values;
  std::vector<float> scale;           // [rows] for I8, else empty
  std::vector<uint16_t> block_scale;  // F16 [rows][cols / 32] for Q8_0 and Q4_0, else empty
};

// A neuron is predicted to fire where its score is above the threshold.
struct LayerPredictor {
  enum class Kind {
    kNone,        // every neuron of this layer is to be computed
    kTrained,     // score = up · relu(down · x)
    kFactorised,  // score = up · down · x
    kSigns,       // score = columns where x and the first matrix's row agree in sign, less the others
    kGate,        // score = |act(first · x)|, the first matrix being the gate, or up without one
  };
  Kind kind = Kind::kNone;
  bool reads_previous_layer = false;
  PredictorMatrix down;          // [rank][d_model]; trained and factorised
  PredictorMatrix up;            // [n_ff][rank]
  // [n_ff][ceil(d_model / 8)]: bit i of byte b is set where the weight in column 8b + i is negative.
  std::vector<uint8_t> signs;
  std::vector<float> threshold;  // [1] or [n_ff]; empty for none
};

// Whether all weights, scales and thresholds are numbers that arithmetic can go on with.
bool AllFinite(const LayerPredictor& predictor);
// Whether a sign is set that belongs to no column.
bool HasStraySigns(const std::vector<uint8_t>& signs, int64_t d_model);

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
