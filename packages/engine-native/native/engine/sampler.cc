#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace thermocline {
namespace {

Status OutOfRange(const char* option, const char* range) {
  return Status(StatusCode::kInvalidArgument,
                std::string("sampling option ") + option + " must be " + range);
}

}  // namespace

Status ValidateSampling(const SamplingOptions& o) {
  // Written so that NaN is refused too.
  if (!(o.temperature >= 0 && o.temperature <= 1e6)) {
    return OutOfRange("temperature", "0 (greedy) or more");
  }
  if (o.top_k < 0) return OutOfRange("topK", "0 (all) or more");
  if (!(o.top_p > 0 && o.top_p <= 1)) return OutOfRange("topP", "above 0 and at most 1");
  if (!(o.min_p >= 0 && o.min_p < 1)) return OutOfRange("minP", "at least 0 and below 1");
  if (!(o.repeat_penalty > 0 && o.repeat_penalty <= 1e6)) {
    return OutOfRange("repeatPenalty", "above 0");
  }
  if (o.repeat_window < 0) return OutOfRange("repeatWindow", "0 or more");
  return Status::Ok();
}

Sampler::Sampler(const SamplingOptions& options) : options_(options), state_(options.seed) {}

// SplitMix64 (Steele, Lea and Flood 2014): one addition and a mix per number.
double Sampler::NextUniform() {
  state_ += 0x9E3779B97F4A7C15ULL;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1.0p-53;
}

TokenId Sampler::Sample(std::span<const float> logits, std::span<const TokenId> recent) {
  candidates_.resize(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    candidates_[i] = {logits[i], static_cast<TokenId>(i)};
  }
  const auto penalty = static_cast<float>(options_.repeat_penalty);
  for (const TokenId id : recent.last(std::min(recent.size(), static_cast<size_t>(window())))) {
    // From the given logits, so that a token seen twice is penalised once.
    const float logit = logits[static_cast<size_t>(id)];
    candidates_[static_cast<size_t>(id)].logit = logit > 0 ? logit / penalty : logit * penalty;
  }

  const auto better = [](const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
  };
  if (options_.temperature == 0) {
    return std::min_element(candidates_.begin(), candidates_.end(), better)->id;
  }

  size_t n = candidates_.size();
  if (options_.top_k > 0) n = std::min(n, static_cast<size_t>(options_.top_k));
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<int64_t>(n),
                    candidates_.end(), better);
  std::vector<double> weights(n);
  double total = 0;
  for (size_t i = 0; i < n; ++i) {
    const double gap = static_cast<double>(candidates_[i].logit) - candidates_[0].logit;
    weights[i] = std::exp(gap / options_.temperature);
    total += weights[i];
  }
  // top-p and min-p look at probabilities after top-k; the first candidate always stays.
  double kept = 0;
  size_t keep = 0;
  while (keep < n) {
    if (keep > 0 && (kept >= options_.top_p * total || weights[keep] < options_.min_p)) break;
    kept += weights[keep++];
  }
  double draw = NextUniform() * kept;
  for (size_t i = 0; i < keep; ++i) {
    draw -= weights[i];
    if (draw < 0) return candidates_[i].id;
  }
  return candidates_[keep - 1].id;
}

}  // namespace thermocline
