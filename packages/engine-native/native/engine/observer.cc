#include "engine/observer.h"

#include <algorithm>

namespace thermocline {

QueueObserver::QueueObserver(std::vector<int64_t> layers, std::vector<Stream> streams,
                             int64_t max_rows)
    : layers_(std::move(layers)), max_rows_(max_rows) {
  for (const Stream stream : streams) streams_[static_cast<size_t>(stream)] = true;
}

void QueueObserver::Label(std::vector<uint32_t> documents, std::vector<uint32_t> bases) {
  const std::lock_guard lock(mutex_);
  documents_ = std::move(documents);
  bases_ = std::move(bases);
}

bool QueueObserver::Wants(int64_t layer, Stream stream) const {
  if (!streams_[static_cast<size_t>(stream)]) return false;
  return layers_.empty() || std::find(layers_.begin(), layers_.end(), layer) != layers_.end();
}

Status QueueObserver::OnRows(const ObservedRows& rows) {
  std::unique_lock lock(mutex_);
  // A batch larger than the whole queue still goes through, alone.
  changed_.wait(lock, [&] {
    return cancelled_ || queued_rows_ == 0 || queued_rows_ + rows.rows <= max_rows_;
  });
  if (cancelled_) return Status(StatusCode::kAborted, "the observer was cancelled");
  const auto item = static_cast<size_t>(rows.item);
  if (item >= documents_.size() || item >= bases_.size()) {
    return Status(StatusCode::kInternal, "an observed step item has no document label");
  }
  ObservationBatch batch;
  batch.layer = rows.layer;
  batch.stream = rows.stream;
  batch.width = rows.width;
  batch.values.assign(rows.values, rows.values + rows.rows * rows.width);
  for (int64_t i = 0; i < rows.rows; ++i) {
    batch.documents.push_back(documents_[item]);
    batch.positions.push_back(bases_[item] + static_cast<uint32_t>(rows.position + i));
  }
  queue_.push_back(std::move(batch));
  queued_rows_ += rows.rows;
  changed_.notify_all();
  return Status::Ok();
}

std::optional<ObservationBatch> QueueObserver::Pop() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return cancelled_ || finished_ || !queue_.empty(); });
  if (cancelled_ || queue_.empty()) return std::nullopt;
  ObservationBatch batch = std::move(queue_.front());
  queue_.pop_front();
  queued_rows_ -= static_cast<int64_t>(batch.positions.size());
  changed_.notify_all();
  return batch;
}

void QueueObserver::Finish() {
  const std::lock_guard lock(mutex_);
  finished_ = true;
  changed_.notify_all();
}

void QueueObserver::Cancel() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  queue_.clear();
  queued_rows_ = 0;
  changed_.notify_all();
}

}  // namespace thermocline
