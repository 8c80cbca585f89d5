// What one batched step takes and gives.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/observer.h"
#include "engine/session.h"
#include "model/mode.h"
#include "model/prediction_audit.h"

namespace thermocline {

using CancelFlag = std::shared_ptr<std::atomic<bool>>;

// Tokens to append to a session, and where logits are wanted (indices into tokens, ascending).
struct StepItem {
  std::shared_ptr<Session> session;
  std::vector<TokenId> tokens;
  std::vector<int64_t> logits;
};

struct StepOptions {
  Mode mode = Mode::kDense;
  bool audit = false;                    // also compute what truly fires, and compare
  CancelFlag cancel;                     // may be null
  std::shared_ptr<Observer> observer;    // may be null
};

// Bytes are those of weights, KV and predictors that the arithmetic read, by tier (gpu, cpu, flash).
struct StepStats {
  int64_t tokens = 0;
  double time_ms = 0;
  uint64_t bytes_read[3] = {0, 0, 0};
  uint64_t ffn_bytes_read[3] = {0, 0, 0};
  double ffn_ms = 0;              // of time_ms, in which those were read
  std::vector<uint64_t> fired;    // [layers] firings
  std::vector<uint64_t> neurons;  // [layers] neurons x tokens
  std::vector<uint64_t> computed;         // [layers] neurons chosen to be computed
  std::vector<uint64_t> predictor_bytes;  // [layers] the predictors' part of bytes_read,
  std::vector<double> predictor_ms;       // and of time_ms

  void Add(const StepStats& other);
};

struct Evaluation {
  std::vector<std::vector<float>> logits;  // [wanted][vocab]
  StepStats stats;
  PredictionAudit audit;  // when asked for
};

}  // namespace thermocline
