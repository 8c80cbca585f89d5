// What can be watched while a model reads: chosen layers and streams, row by row, or
// summed. Observers are called on the engine's thread, in reading order, and may
// block: that is the back-pressure.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "util/status.h"

namespace thermocline {

enum class Stream : uint8_t {
  kResidual,    // [d_model] before attention
  kFfnInput,    // [d_model] after the norm
  kActivation,  // h [n_ff], by neuron id
  kAttention,   // [heads * head_dim] per-head output
};
constexpr int kStreams = 4;
const char* StreamName(Stream stream);  // "residual", "ffn-input", "activation", "attention"

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
};

class Observer {
 public:
  virtual ~Observer() = default;
  virtual bool Wants(int64_t layer, Stream stream) const = 0;
  virtual Status OnRows(const ObservedRows& rows) = 0;  // an error ends the step
};

// A batch of rows as it leaves the core.
struct ObservationBatch {
  int64_t layer = 0;
  Stream stream = Stream::kResidual;
  int64_t width = 0;
  std::vector<float> values;        // [rows][width]
  std::vector<uint32_t> documents;  // [rows]
  std::vector<uint32_t> positions;  // [rows]
};

// Hands rows out through a bounded queue: OnRows waits while `max_rows` are queued.
class QueueObserver : public Observer {
 public:
  // layers empty: all. `document` and `base` label the rows of each step item.
  QueueObserver(std::vector<int64_t> layers, std::vector<Stream> streams, int64_t max_rows);

  // Labels for the next step: document of each item, and document position of session position 0.
  void Label(std::vector<uint32_t> documents, std::vector<uint32_t> bases);

  bool Wants(int64_t layer, Stream stream) const override;
  Status OnRows(const ObservedRows& rows) override;

  // Waits for the next batch; empty after Finish when the queue is drained.
  std::optional<ObservationBatch> Pop();
  void Finish();  // no more rows will come
  void Cancel();  // the reader went away: drop everything, OnRows returns kAborted

 private:
  const std::vector<int64_t> layers_;
  bool streams_[kStreams] = {};
  const int64_t max_rows_;
  std::vector<uint32_t> documents_, bases_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<ObservationBatch> queue_;
  int64_t queued_rows_ = 0;
  bool finished_ = false, cancelled_ = false;
};

// Counts firings (h != 0) and sums |h| per layer and neuron.
class SumObserver : public Observer {
 public:
  explicit SumObserver(std::vector<int64_t> n_ff);

  bool Wants(int64_t layer, Stream stream) const override;
  Status OnRows(const ObservedRows& rows) override;

  // [layers][n_ff]; read them when no step is running.
  const std::vector<std::vector<int64_t>>& fires() const { return fires_; }
  const std::vector<std::vector<double>>& abs_sum() const { return abs_sum_; }
  const std::vector<int64_t>& tokens() const { return tokens_; }

 private:
  std::vector<std::vector<int64_t>> fires_;
  std::vector<std::vector<double>> abs_sum_;
  std::vector<int64_t> tokens_;
};

}  // namespace thermocline
