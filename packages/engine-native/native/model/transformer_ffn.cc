// The FFN's part of the forward pass: what is to be computed, and what comes of it.
#include <algorithm>
#include <chrono>

#include "model/transformer.h"

namespace thermocline {

Transformer::InputForms Transformer::FormsOf(std::span<const FfnBlockSource> blocks) {
  InputForms forms;
  for (const FfnBlockSource& block : blocks) {
    forms.Add(block.up->type);
    if (block.gate != nullptr) forms.Add(block.gate->type);
  }
  return forms;
}

FfnChoice Transformer::Choose(int64_t layer, const ForwardOptions& options) const {
  FfnChoice choice;
  if (options.mode == Mode::kDense) return choice;
  choice.skip_zeros = HasExactZeros(weights_.activation);
  if (options.mode == Mode::kExact) return choice;
  switch (options.predictors->kind(layer)) {
    case LayerPredictor::Kind::kNone: break;
    case LayerPredictor::Kind::kGate:
      choice.threshold = options.predictors->threshold(layer);
      break;
    default: choice.active = &options.predictors->active(layer);
  }
  return choice;
}

Status Transformer::Ffn(std::span<const ForwardItem> items, int64_t layer,
                        const ForwardOptions& options, ForwardOutcome* outcome) {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const auto n_tokens = static_cast<int64_t>(rows_.size());
  const int64_t d = model_.d_model;
  Observer* const observer = options.observer;
  ApplyNorm(w.ffn_norm, s_.residual.data(), n_tokens, s_.normed.data());
  RETURN_IF_ERROR(Observe(items, observer, layer, Stream::kFfnInput, d, s_.normed.data()));
  if (options.mode == Mode::kPredicted || options.mode == Mode::kThreshold) {
    options.predictors->Take(layer, s_.normed.data(), n_tokens, kernels_, pool_,
                             outcome->predictor);
  }

  const Activations x = Prepare(s_.normed.data(), d, n_tokens, FormsOf(w.ffn_blocks));
  const TensorView input{Device::kHost, DType::kF32, s_.normed.data(), n_tokens, d, d};
  const TensorView y{Device::kHost, DType::kF32, s_.ffn_out.data(), n_tokens, d, d};
  std::fill_n(s_.ffn_out.data(), n_tokens * d, 0.0F);
  const bool watched = observer != nullptr && observer->Wants(layer, Stream::kActivation);
  const int64_t n_ff = ffn_.n_neurons(layer);
  float* h = nullptr;
  if (watched || options.audit_norms != nullptr) {
    s_.observed.resize(static_cast<size_t>(n_tokens * n_ff));
    h = s_.observed.data();
  }
  FfnTotals totals;
  const auto start = std::chrono::steady_clock::now();
  RETURN_IF_ERROR(ffn_.Run(layer, Choose(layer, options), input, x, y, h, &totals));
  outcome->ffn_ms +=
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  if (watched) {
    RETURN_IF_ERROR(Observe(items, observer, layer, Stream::kActivation, n_ff, h));
  }
  if (options.audit_norms != nullptr) {
    RETURN_IF_ERROR(Audit(layer, *options.audit_norms, input, x, totals, outcome));
  }

  if (!w.ffn_down_bias.empty()) {
    for (int64_t t = 0; t < n_tokens; ++t) kernels_.add(w.ffn_down_bias.data(), d, y.f32(t));
  }
  kernels_.add(s_.ffn_out.data(), n_tokens * d, s_.residual.data());
  for (size_t tier = 0; tier < kTiers; ++tier) {
    outcome->bytes_read[tier] += totals.bytes_read[tier];
    outcome->ffn_bytes_read[tier] += totals.bytes_read[tier];
  }
  for (size_t r = 0; r < rows_.size(); ++r) {
    LayerCounts& counts =
        outcome->counts[static_cast<size_t>(rows_[r].item)][static_cast<size_t>(layer)];
    counts.fired += totals.fired[r];
    counts.computed += totals.computed[r];
  }
  return Status::Ok();
}

// Computes the layer once more with all that fires. Its output is thrown away: what goes on is
// what the mode gave.
Status Transformer::Audit(int64_t layer, const DownNorms& norms, const TensorView& input,
                          const Activations& x, const FfnTotals& computed,
                          ForwardOutcome* outcome) {
  const int64_t n_ff = ffn_.n_neurons(layer);
  s_.audited.resize(static_cast<size_t>(x.n_tokens * n_ff));
  s_.discarded.assign(static_cast<size_t>(x.n_tokens * model_.d_model), 0.0F);
  const TensorView discarded{Device::kHost,  DType::kF32,    s_.discarded.data(),
                             x.n_tokens,     model_.d_model, model_.d_model};
  FfnTotals totals;
  RETURN_IF_ERROR(ffn_.Run(layer, {HasExactZeros(weights_.activation), {}, nullptr}, input, x,
                           discarded, s_.audited.data(), &totals));
  for (size_t r = 0; r < rows_.size(); ++r) {
    PredictionAudit::Layer& audit = outcome->audits[static_cast<size_t>(rows_[r].item)]
                                        .layers[static_cast<size_t>(layer)];
    audit.predicted += computed.computed[r];
    audit.Count(s_.audited.data() + static_cast<int64_t>(r) * n_ff,
                s_.observed.data() + static_cast<int64_t>(r) * n_ff,
                norms[static_cast<size_t>(layer)]);
  }
  return Status::Ok();
}

uint64_t Transformer::AuditBytes(int64_t max_tokens) const {
  int64_t widest = 0;
  for (int64_t layer = 0; layer < model_.layers; ++layer) {
    widest = std::max(widest, ffn_.n_neurons(layer));
  }
  return static_cast<uint64_t>(4 * max_tokens * (2 * widest + model_.d_model));
}

}  // namespace thermocline
