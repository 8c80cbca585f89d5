// What can be watched while a model reads, and by whom.
#pragma once

#include <cstdint>

#include "util/status.h"
#include "util/thread_pool.h"

namespace thermocline {

enum class Stream : uint8_t {
  kResidual,    // [d_model] before attention
  kFfnInput,    // [d_model] after the norm
  kActivation,  // h [n_ff], by neuron id
  kAttention,   // [heads * head_dim] per-head output
};
constexpr int kStreams = 4;

// "residual", "ffn-input", "activation", "attention"
constexpr const char* StreamName(Stream stream) {
  switch (stream) {
    case Stream::kResidual: return "residual";
    case Stream::kFfnInput: return "ffn-input";
    case Stream::kActivation: return "activation";
    case Stream::kAttention: return "attention";
  }
  return "?";
}

// Rows of one stream of one layer. `item` is the index of the step item the rows belong to,
// `position` the session position of the first row; the rest follow.
struct ObservedRows {
  int64_t layer = 0;
  Stream stream = Stream::kResidual;
  int64_t item = 0;
  int64_t position = 0;
  int64_t rows = 0;
  int64_t width = 0;
  const float* values = nullptr;  // [rows][width]
  ThreadPool* pool = nullptr;     // idle while the observer is called; may be null
};

// Called on the engine's thread, in reading order; may block, which is the back-pressure.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual bool Wants(int64_t layer, Stream stream) const = 0;
  virtual Status OnRows(const ObservedRows& rows) = 0;  // an error ends the step
  virtual void Cancel() {}  // from any thread: a blocked OnRows returns an error
};

}  // namespace thermocline
