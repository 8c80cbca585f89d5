// The FFN of every layer: blocks of neurons, each split over the tiers that hold
// them. Outside, a neuron is called by its id in the layer.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "model/mode.h"
#include "model/placement.h"
#include "tiers/ffn_tier.h"
#include "util/status.h"

namespace thermocline {

// Tiers that compute, by Tier; null where this machine has none.
using FfnTiers = std::array<FfnTier*, kTiers>;

struct FfnTotals {
  uint64_t bytes_read[kTiers] = {0, 0, 0};
  std::vector<uint64_t> fired;  // [n_tokens] of one layer
};

class SparseFfn {
 public:
  explicit SparseFfn(FfnTiers tiers) : tiers_(tiers) {}

  // Checks a plan against the model: order a permutation, ends ascending, tiers present.
  Status Validate(const std::vector<std::vector<FfnBlockSource>>& blocks, const Plan& plan) const;

  // Places layer `index` (they are placed in order at first). A layer placed before is placed
  // anew where the plan moves neurons between tiers; if that fails the old placement stays. A plan
  // that only lists them in another order changes nothing and reads nothing.
  // REQUIRES: Validate passed, and the same blocks as before.
  Status Place(int64_t index, const std::vector<FfnBlockSource>& blocks, const LayerPlan& plan);

  // Adds the layer's FFN to y, [n_tokens][d_model]. `h`, when not null, gets the activations by
  // neuron id, [n_tokens][n_ff].
  Status Run(int64_t layer, Mode mode, const TensorView& input, const Activations& x,
             TensorView y, float* h, FfnTotals* totals);

  int64_t n_neurons(int64_t layer) const { return layers_[static_cast<size_t>(layer)].n_neurons; }

 private:
  struct PlacedPart {
    FfnTier* tier = nullptr;
    FfnHandle handle = 0;
    size_t block = 0;
    uint32_t first_id = 0;      // of the block in the layer
    std::vector<uint32_t> ids;  // neurons of the layer, ascending
    std::vector<float> h;       // [n_tokens][ids], when watched
  };
  struct Layer {
    int64_t n_neurons = 0;
    std::vector<PlacedPart> parts;
  };
  Layer Split(const std::vector<FfnBlockSource>& blocks, const LayerPlan& plan) const;
  static bool SamePlaces(const Layer& a, const Layer& b);
  // Fills in the handles; on failure nothing stays loaded.
  static Status Load(const std::vector<FfnBlockSource>& blocks, Layer& layer);
  static void Remove(Layer& layer);

  FfnTiers tiers_;
  std::vector<Layer> layers_;
};

}  // namespace thermocline
