// Watches a model read, row by row through a bounded queue. (sum_observer.h adds up
// instead.)
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "model/observation.h"
#include "util/status.h"

namespace thermocline {

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
  void Cancel() override;  // the reader went away: drop everything, OnRows returns kAborted

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

}  // namespace thermocline
