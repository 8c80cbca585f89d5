// A model's weights in memory, except the neurons, which live in tiers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backends/kernels.h"
#include "io/model_file.h"
#include "model/architecture.h"
#include "tiers/accountant.h"
#include "tiers/ffn_tier.h"
#include "tiers/load_list.h"
#include "util/huge_buffer.h"
#include "util/status.h"

namespace thermocline {

// y = W x + b; bias empty when the model has none.
struct Linear {
  RowMatrix matrix;
  std::vector<float> bias;
};

struct Norm {
  std::vector<float> weight;
  std::vector<float> bias;  // LayerNorm only
};

struct LayerWeights {
  Norm attention_norm;
  Linear q, k, v, o;
  Norm ffn_norm;
  std::vector<FfnBlockSource> ffn_blocks;  // dense: one
  std::vector<float> ffn_down_bias;        // [d_model]; empty: none
};

struct Weights {
  const Architecture* architecture = nullptr;
  ActivationFunction activation = ActivationFunction::kSilu;
  RowMatrix embedding;            // [vocab][d_model]
  RowMatrix position_embedding;   // [context + offset][d_model], learned positions only
  std::vector<LayerWeights> layers;
  Norm output_norm;
  RowMatrix output;               // [vocab][d_model]; the embedding when tied
  bool tied = false;
  uint64_t bytes = 0;             // of the matrices above

  HugeBuffer memory;
  Reservation reservation;
};

// The tensors of a model, found, shapes and types checked, nothing read yet.
// Every tensor of the file must be one that the architecture uses: a tensor left over means the
// model does something we would not compute.
class WeightPlan {
 public:
  static Result<WeightPlan> Make(const ModelFile& file, const Hyperparameters& model);

  uint64_t bytes() const { return bytes_; }  // that Load reserves
  const std::vector<std::vector<FfnBlockSource>>& ffn_blocks() const { return ffn_blocks_; }

  // Of all blocks; see FfnBlockSource.
  void SetChosenFirst(bool chosen_first);

  // Makes room for everything but the neurons; it is there when `reads` has run.
  Result<Weights> Load(Accountant& accountant, LoadList& reads) const;

 private:
  struct Slot {
    const TensorInfo* tensor = nullptr;
    std::function<RowMatrix*(Weights&)> matrix;
  };
  struct VectorSlot {
    const TensorInfo* tensor = nullptr;
    std::function<std::vector<float>*(Weights&)> vector;
  };
  friend class WeightPlanner;

  const ModelFile* file_ = nullptr;
  const Architecture* architecture_ = nullptr;
  ActivationFunction activation_ = ActivationFunction::kSilu;
  int64_t n_layers_ = 0;
  std::vector<Slot> matrices_;
  std::vector<VectorSlot> vectors_;
  std::vector<std::vector<FfnBlockSource>> ffn_blocks_;  // [layers][blocks]
  bool tied_ = false;
  uint64_t bytes_ = 0;
};

}  // namespace thermocline
