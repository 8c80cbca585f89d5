#include "tiers/load_list.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>

#include "io/uncached_file.h"
#include "util/huge_buffer.h"

namespace thermocline {
namespace {

using Clock = std::chrono::steady_clock;

// What drives give their full speed for, and little to wait for when the reading is to stop.
constexpr uint64_t kPieceBytes = uint64_t{1} << 20;
// Between two reports: smooth to the eye, and within a tenth of a second of whoever wants an end.
constexpr std::chrono::milliseconds kReportEvery{20};

// So many may pack at a time: more threads than that wait for the drive.
class Places {
 public:
  explicit Places(int n) : free_(n) {}
  void Take() {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [this] { return free_ > 0; });
    --free_;
  }
  void Leave() {
    {
      const std::lock_guard lock(mutex_);
      ++free_;
    }
    freed_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable freed_;
  int free_;
};

Status InTensor(const TensorInfo& tensor, const Status& status) {
  return Status(status.code(), "tensor '" + tensor.name + "': " + status.message(), status.path());
}

}  // namespace

int64_t LoadList::Item::row_bytes() const {
  const int64_t rows = tensor->shape.size() > 1 ? tensor->elements() / tensor->shape.back() : 1;
  return static_cast<int64_t>(tensor->bytes) / rows;
}

void LoadList::Add(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
                   int64_t step, Take take) {
  if (n <= 0) return;
  items_.push_back({&file, &tensor, first, n, std::max<int64_t>(1, step), std::move(take)});
  bytes_ += static_cast<uint64_t>(n * items_.back().row_bytes());
}

// A list on its way: every reader is a thread that takes the next piece, reads it into a buffer of
// its own, packs it from there, and takes another. The calling thread reports meanwhile, so that
// reports come and an end is heard of however long a piece takes.
class LoadRun {
 public:
  LoadRun(const std::vector<LoadList::Item>& items, uint64_t total, const LoadOptions& options)
      : items_(items), options_(options), places_(std::max(1, options.threads)) {
    report_.bytes = total;
    OpenFiles();
    CutPieces();
  }

  Result<LoadReport> Run() {
    RETURN_IF_ERROR(AllocateStaging());
    start_ = Clock::now();
    RETURN_IF_ERROR(Report());
    std::vector<std::thread> readers = StartReaders();
    report_.readers = std::max(1, static_cast<int>(readers.size()));
    if (readers.empty()) {
      while (TakeNext(0)) Stop(Report());
    } else {
      ReportUntilEnded(readers.size());
    }
    for (std::thread& reader : readers) reader.join();
    RETURN_IF_ERROR(status_);
    RETURN_IF_ERROR(Report());
    report_.seconds = SecondsSoFar();
    for (const auto& [file, reads] : files_) {
      const ReadCounts counts = reads->counts();
      report_.cached_bytes += counts.cached;
      report_.through_bytes += counts.through;
      if (report_.fallback.empty()) report_.fallback = reads->fallback();
    }
    return std::move(report_);
  }

 private:
  struct Piece {
    const LoadList::Item* item = nullptr;
    UncachedFile* file = nullptr;
    int64_t first = 0, n = 0;     // rows
    uint64_t offset = 0, bytes = 0;  // in the file
  };

  void OpenFiles() {
    const auto way = options_.past_cache ? UncachedFile::Way::kPast : UncachedFile::Way::kThrough;
    for (const LoadList::Item& item : items_) {
      const File& file = item.file->FileOf(*item.tensor);
      if (!files_.contains(&file)) files_[&file] = std::make_unique<UncachedFile>(file, way);
    }
  }

  void CutPieces() {
    for (const LoadList::Item& item : items_) {
      const int64_t row_bytes = item.row_bytes();
      const int64_t fit = static_cast<int64_t>(kPieceBytes) / std::max<int64_t>(1, row_bytes);
      const int64_t rows = std::max(item.step, fit / item.step * item.step);
      UncachedFile* const file = files_[&item.file->FileOf(*item.tensor)].get();
      for (int64_t row = item.first; row < item.first + item.n; row += rows) {
        const int64_t n = std::min(rows, item.first + item.n - row);
        pieces_.push_back({&item, file, row, n,
                           item.tensor->offset + static_cast<uint64_t>(row * row_bytes),
                           static_cast<uint64_t>(n * row_bytes)});
      }
    }
    std::sort(pieces_.begin(), pieces_.end(), [](const Piece& a, const Piece& b) {
      return std::tuple(a.item->tensor->shard, a.offset) <
             std::tuple(b.item->tensor->shard, b.offset);
    });
    for (const Piece& piece : pieces_) {
      buffer_bytes_ = std::max(buffer_bytes_, UncachedFile::BufferBytes(piece.bytes));
    }
  }

  // As many readers as there is room for, one at least.
  Status AllocateStaging() {
    const auto room =
        static_cast<size_t>(options_.staging_bytes / std::max<uint64_t>(1, buffer_bytes_));
    const auto wanted = static_cast<size_t>(std::max(1, options_.readers));
    n_readers_ = std::max<size_t>(1, std::min({wanted, pieces_.size(), room}));
    if (options_.accountant != nullptr) {
      auto reserved = options_.accountant->Reserve(n_readers_ * buffer_bytes_, "staging");
      while (!reserved.ok() && n_readers_ > 1) {
        n_readers_ /= 2;
        reserved = options_.accountant->Reserve(n_readers_ * buffer_bytes_, "staging");
      }
      ASSIGN_OR_RETURN(reservation_, std::move(reserved));
    }
    report_.staging_bytes = n_readers_ * buffer_bytes_;
    ASSIGN_OR_RETURN(staging_, HugeBuffer::Allocate(report_.staging_bytes));
    return Status::Ok();
  }

  // Fewer where the system gives no more threads, maybe none.
  std::vector<std::thread> StartReaders() {
    std::vector<std::thread> readers;
    try {
      for (size_t i = 0; i < n_readers_; ++i) {
        readers.emplace_back([this, i] { Read(i); });
      }
    } catch (const std::system_error&) {
    }
    return readers;
  }

  void Read(size_t reader) {
    while (TakeNext(reader)) {
    }
    {
      const std::lock_guard lock(mutex_);
      ++n_ended_;
    }
    ended_.notify_one();
  }

  void ReportUntilEnded(size_t n_readers) {
    std::unique_lock lock(mutex_);
    while (!ended_.wait_for(lock, kReportEvery, [&] { return n_ended_ == n_readers; })) {
      lock.unlock();
      Stop(Report());
      lock.lock();
    }
  }

  // Whether there was a piece, and all is well.
  bool TakeNext(size_t reader) {
    if (stopped_) return false;
    const size_t next = next_.fetch_add(1);
    if (next >= pieces_.size()) return false;
    const Piece& piece = pieces_[next];
    const Status status = TakePiece(piece, staging_.data() + reader * buffer_bytes_);
    if (status.ok()) done_ += piece.bytes;
    if (!status.ok()) Stop(InTensor(*piece.item->tensor, status));
    return status.ok();
  }

  Status TakePiece(const Piece& piece, std::byte* buffer) {
    ASSIGN_OR_RETURN(const std::byte* const rows,
                     piece.file->Read(piece.offset, piece.bytes, buffer));
    places_.Take();
    Status status;
    try {
      piece.item->take(piece.first, piece.n, rows);
    } catch (const std::bad_alloc&) {
      status = Status(StatusCode::kOutOfMemory, "the system has no memory left");
    }
    places_.Leave();
    return status;
  }

  Status Report() const {
    if (!options_.progress) return Status::Ok();
    return options_.progress({done_, report_.bytes, SecondsSoFar()});
  }

  // Ends the reading unless all is well. The first reason counts.
  void Stop(Status status) {
    if (status.ok()) return;
    const std::lock_guard lock(mutex_);
    if (status_.ok()) status_ = std::move(status);
    stopped_ = true;
  }

  double SecondsSoFar() const {
    return std::chrono::duration<double>(Clock::now() - start_).count();
  }

  const std::vector<LoadList::Item>& items_;
  const LoadOptions& options_;
  std::map<const File*, std::unique_ptr<UncachedFile>> files_;
  std::vector<Piece> pieces_;  // in the order of the files
  uint64_t buffer_bytes_ = 0;
  size_t n_readers_ = 1;
  Reservation reservation_;
  HugeBuffer staging_;
  Places places_;
  LoadReport report_;
  Clock::time_point start_;
  std::atomic<size_t> next_{0};
  std::atomic<uint64_t> done_{0};
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;  // guards what follows
  std::condition_variable ended_;
  size_t n_ended_ = 0;  // readers
  Status status_;
};

Result<LoadReport> LoadList::Run(const LoadOptions& options) {
  const std::vector<Item> items = std::exchange(items_, {});
  return LoadRun(items, std::exchange(bytes_, 0), options).Run();
}

}  // namespace thermocline
