// The predictors of a model's layers at work: fed with each layer's FFN input in turn, they say
// which neurons of this layer, or of the next, are to be computed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "backends/kernels.h"
#include "io/artifact_reader.h"
#include "sparsity/active_set.h"
#include "sparsity/predictor.h"
#include "util/status.h"
#include "util/thread_pool.h"

namespace thermocline {

// What predicting for a layer took.
struct PredictorCost {
  uint64_t bytes = 0;  // of weights read
  double ms = 0;
};

// One caller at a time.
class Predictors {
 public:
  // kInvalidArgument when the set contradicts itself or does not have these layers.
  static Status Check(const PredictorSet& set, int64_t d_model, std::span<const int64_t> n_ff);
  // For steps of at most max_tokens. Copies what it needs of the set. kOutOfMemory.
  // REQUIRES: Check passed.
  static Result<Predictors> Create(const PredictorSet& set, int64_t d_model,
                                   std::span<const int64_t> n_ff, int64_t max_tokens);
  // Bytes that Create will hold, working memory included. REQUIRES: Check passed.
  static uint64_t PlannedBytes(const PredictorSet& set, int64_t d_model,
                               std::span<const int64_t> n_ff, int64_t max_tokens);

  LayerPredictor::Kind kind(int64_t layer) const { return layers_[Index(layer)].kind; }
  // [1] or [n_ff], by neuron id; empty for none.
  std::span<const float> threshold(int64_t layer) const { return layers_[Index(layer)].threshold; }
  // Whether no layer needs more than the product that it computes anyway.
  bool only_gates() const;

  // Predicts what can be predicted from the FFN input of `layer`, x [n_tokens][d_model]: this layer,
  // and the next where it looks ahead. `costs` [layers] grows by what each took.
  // REQUIRES: layers ascend within a step.
  void Take(int64_t layer, const float* x, int64_t n_tokens, const Kernels& kernels,
            ThreadPool& pool, std::span<PredictorCost> costs);
  // The neurons to compute. REQUIRES: the layer's kind has scores, and its input was taken.
  const ActiveSet& active(int64_t layer) const { return active_[Index(layer) % 2]; }

 private:
  struct Layer {
    LayerPredictor::Kind kind = LayerPredictor::Kind::kNone;
    bool reads_previous_layer = false;
    int64_t n_ff = 0;
    std::vector<float> threshold;
    std::optional<Predictor> predictor;
  };
  static size_t Index(int64_t layer) { return static_cast<size_t>(layer); }
  void Predict(int64_t layer, const float* x, int64_t n_tokens, const Kernels& kernels,
               ThreadPool& pool, PredictorCost& cost);

  int64_t d_model_ = 0;
  std::vector<Layer> layers_;
  ActiveSet active_[2];        // of even and odd layers: the next may be known before this one ran
  std::vector<float> scores_;  // [tokens of a pass][largest n_ff]
};

}  // namespace thermocline
