#include "sparsity/predictors.h"

#include <algorithm>
#include <chrono>
#include <string>

namespace thermocline {
namespace {

using Kind = LayerPredictor::Kind;

bool HasScores(Kind kind) {
  return kind == Kind::kTrained || kind == Kind::kFactorised || kind == Kind::kSigns;
}

// Neurons of the largest layer that is predicted by scores; 0: none is.
int64_t Widest(const PredictorSet& set, std::span<const int64_t> n_ff) {
  int64_t widest = 0;
  for (size_t i = 0; i < n_ff.size(); ++i) {
    if (HasScores(set.layers[i].kind)) widest = std::max(widest, n_ff[i]);
  }
  return widest;
}

Status CheckLayer(const LayerPredictor& layer, size_t index, int64_t d_model, int64_t n_ff) {
  if (layer.kind == Kind::kNone) return Status::Ok();
  if (layer.threshold.size() != 1 && layer.threshold.size() != static_cast<size_t>(n_ff)) {
    return Status(StatusCode::kInvalidArgument,
                  "there are " + std::to_string(layer.threshold.size()) + " thresholds for " +
                      std::to_string(n_ff) + " neurons");
  }
  if (layer.reads_previous_layer && (index == 0 || layer.kind == Kind::kGate)) {
    return Status(StatusCode::kInvalidArgument, "it cannot read the layer before");
  }
  if (HasScores(layer.kind)) RETURN_IF_ERROR(Predictor::Check(layer, d_model, n_ff));
  if (AllFinite(layer)) return Status::Ok();
  return Status(StatusCode::kInvalidArgument, "a weight or a threshold is not finite");
}

double Milliseconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

}  // namespace

Status Predictors::Check(const PredictorSet& set, int64_t d_model, std::span<const int64_t> n_ff) {
  if (set.layers.size() != n_ff.size()) {
    return Status(StatusCode::kInvalidArgument,
                  "the predictor set has " + std::to_string(set.layers.size()) +
                      " layers, the model " + std::to_string(n_ff.size()));
  }
  for (size_t i = 0; i < n_ff.size(); ++i) {
    const Status status = CheckLayer(set.layers[i], i, d_model, n_ff[i]);
    if (status.ok()) continue;
    return Status(status.code(),
                  "predictor of layer " + std::to_string(i) + ": " + status.message());
  }
  return Status::Ok();
}

uint64_t Predictors::PlannedBytes(const PredictorSet& set, int64_t d_model,
                                  std::span<const int64_t> n_ff, int64_t max_tokens) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < n_ff.size(); ++i) {
    bytes += Predictor::PlannedBytes(set.layers[i], d_model, n_ff[i], max_tokens) +
             4 * set.layers[i].threshold.size();
  }
  const int64_t widest = Widest(set, n_ff);
  if (widest == 0) return bytes;
  return bytes + 2 * ActiveSet::PlannedBytes(max_tokens, widest) +
         static_cast<uint64_t>(4 * std::min(max_tokens, kScoredTokens) * widest);
}

Result<Predictors> Predictors::Create(const PredictorSet& set, int64_t d_model,
                                      std::span<const int64_t> n_ff, int64_t max_tokens) {
  Predictors predictors;
  predictors.d_model_ = d_model;
  for (size_t i = 0; i < n_ff.size(); ++i) {
    const LayerPredictor& from = set.layers[i];
    Layer layer{from.kind, from.reads_previous_layer, n_ff[i], from.threshold, std::nullopt};
    if (HasScores(from.kind)) {
      ASSIGN_OR_RETURN(layer.predictor, Predictor::Create(from, d_model, n_ff[i]));
    }
    predictors.layers_.push_back(std::move(layer));
  }
  const int64_t widest = Widest(set, n_ff);
  if (widest > 0) {
    for (ActiveSet& active : predictors.active_) active = ActiveSet(max_tokens, widest);
    predictors.scores_.resize(static_cast<size_t>(std::min(max_tokens, kScoredTokens) * widest));
  }
  return predictors;
}

bool Predictors::only_gates() const {
  return std::none_of(layers_.begin(), layers_.end(),
                      [](const Layer& layer) { return HasScores(layer.kind); });
}

void Predictors::Take(int64_t layer, const float* x, int64_t n_tokens, const Kernels& kernels,
                      ThreadPool& pool, std::span<PredictorCost> costs) {
  const Layer& here = layers_[Index(layer)];
  if (HasScores(here.kind) && !here.reads_previous_layer) {
    Predict(layer, x, n_tokens, kernels, pool, costs[Index(layer)]);
  }
  if (Index(layer + 1) == layers_.size()) return;
  const Layer& next = layers_[Index(layer + 1)];
  if (HasScores(next.kind) && next.reads_previous_layer) {
    Predict(layer + 1, x, n_tokens, kernels, pool, costs[Index(layer + 1)]);
  }
}

void Predictors::Predict(int64_t index, const float* x, int64_t n_tokens, const Kernels& kernels,
                         ThreadPool& pool, PredictorCost& cost) {
  const auto start = std::chrono::steady_clock::now();
  Layer& layer = layers_[Index(index)];
  ActiveSet& active = active_[Index(index) % 2];
  active.Clear();
  for (int64_t t = 0; t < n_tokens; t += kScoredTokens) {
    const int64_t n = std::min(kScoredTokens, n_tokens - t);
    layer.predictor->Score(x + t * d_model_, n, kernels, pool, scores_.data());
    for (int64_t i = 0; i < n; ++i) {
      active.Append({scores_.data() + i * layer.n_ff, Index(layer.n_ff)}, layer.threshold);
    }
  }
  cost.bytes += layer.predictor->bytes() * static_cast<uint64_t>(Predictor::Passes(n_tokens));
  cost.ms += Milliseconds(std::chrono::steady_clock::now() - start);
}

}  // namespace thermocline
