// From logits to a token: repetition penalty, then top-k, top-p, min-p at the given
// temperature, then a draw. Greedy at temperature 0.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tokenizer/tokenizer.h"
#include "util/status.h"

namespace thermocline {

struct SamplingOptions {
  double temperature = 0;
  int64_t top_k = 0;         // 0: all
  double top_p = 1;
  double min_p = 0;
  double repeat_penalty = 1;
  int64_t repeat_window = 64;
  uint64_t seed = 0;
};

// kInvalidArgument names the option that is out of range.
Status ValidateSampling(const SamplingOptions& options);

class Sampler {
 public:
  // REQUIRES: ValidateSampling(options).ok()
  explicit Sampler(const SamplingOptions& options);

  // How many tokens back it looks; 0 without a penalty.
  int64_t window() const { return options_.repeat_penalty != 1 ? options_.repeat_window : 0; }

  // `recent` is the timeline so far, newest last, or its last window() tokens. Ties go to the
  // lowest id.
  TokenId Sample(std::span<const float> logits, std::span<const TokenId> recent);

 private:
  double NextUniform();  // [0, 1)

  SamplingOptions options_;
  uint64_t state_;
  struct Candidate {
    float logit;
    TokenId id;
  };
  std::vector<Candidate> candidates_;
};

}  // namespace thermocline
