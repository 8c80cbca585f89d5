// The FFN of every layer: blocks of neurons, each split over the tiers that hold
// them. Outside, a neuron is called by its id in the layer.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "model/placement.h"
#include "sparsity/active_set.h"
#include "tiers/ffn_tier.h"
#include "util/status.h"

namespace thermocline {

// Tiers that compute, by Tier; null where this machine has none.
using FfnTiers = std::array<FfnTier*, kTiers>;

// Which neurons of a layer to compute; by default all. As in FfnWork, but by neuron id.
struct FfnChoice {
  bool skip_zeros = false;
  std::span<const float> threshold;   // [1] or [n_ff]; empty: none
  const ActiveSet* active = nullptr;  // null: all may fire
};

struct FfnTotals {
  uint64_t bytes_read[kTiers] = {0, 0, 0};
  std::vector<uint64_t> fired, computed;  // [n_tokens] of one layer
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
  Status Place(int64_t index, const std::vector<FfnBlockSource>& blocks, const LayerPlan& plan,
               const LoadOptions& options = {});

  // Places the next layer for the first time, to be read with others: it is whole when `reads` has
  // run. REQUIRES: Validate passed.
  Status Append(const std::vector<FfnBlockSource>& blocks, const LayerPlan& plan, LoadList& reads);

  // Adds the layer's FFN to y, [n_tokens][d_model]. `h`, when not null, gets the activations by
  // neuron id, [n_tokens][n_ff].
  Status Run(int64_t layer, const FfnChoice& choice, const TensorView& input,
             const Activations& x, TensorView y, float* h, FfnTotals* totals);

  int64_t n_neurons(int64_t layer) const { return layers_[static_cast<size_t>(layer)].n_neurons; }

 private:
  struct PlacedPart {
    FfnTier* tier = nullptr;
    FfnHandle handle = 0;
    size_t block = 0;
    uint32_t first_id = 0;      // of the block in the layer
    std::vector<uint32_t> ids;  // neurons of the layer, ascending
    // Of the step that runs.
    std::vector<float> h;                  // [n_tokens][ids], when watched
    std::vector<float> threshold;          // [ids], when each neuron has its own
    std::vector<uint32_t> positions;       // the tokens' lists, one after the other
    std::vector<size_t> ends;              // [n_tokens] in positions
    std::vector<std::span<const uint32_t>> lists;  // [n_tokens]
  };
  struct PartPosition {
    uint32_t part = 0;
    uint32_t position = 0;
  };
  struct Layer {
    int64_t n_neurons = 0;
    std::vector<PlacedPart> parts;
    std::vector<PartPosition> places;  // [n_neurons] by id; empty: all in one part, in order
  };
  Layer Split(const std::vector<FfnBlockSource>& blocks, const LayerPlan& plan) const;
  static bool SamePlaces(const Layer& a, const Layer& b);
  // Fills in the handles; on failure nothing stays loaded.
  static Status Load(const std::vector<FfnBlockSource>& blocks, Layer& layer, LoadList& reads);
  static void Remove(Layer& layer);
  // Cuts an active set into the lists of the parts.
  static void SplitLists(Layer& layer, const ActiveSet& active);
  // The thresholds of a part, as FfnWork takes them.
  static std::span<const float> PartThreshold(const Layer& layer, PlacedPart& part,
                                              std::span<const float> threshold);

  FfnTiers tiers_;
  std::vector<Layer> layers_;
};

}  // namespace thermocline
