#include "probe/memory_probe.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "probe/measuring.h"
#include "probe/read_loops.h"
#include "util/page_size.h"
#include "util/thread_pool.h"

namespace thermocline {
namespace {

constexpr int kRounds = 15;
constexpr int kSyncRounds = 2001;
constexpr uint64_t kLine = 64;
// Threads take pieces as they come, as in the engine: one that is held up delays its piece only.
// Fewer where a buffer is too small for so many pieces of many blocks each.
constexpr int kPieces = 4;  // per thread
constexpr uint64_t kLeastPiece = 16 * (64U << 10);

// Adds up a run of words in eight chains, so that loads and not additions are the limit, and
// asks for the lines of the run that comes next (null: none is known). Scattered reads are about
// what kernels do with neurons, which is not one instruction a line.
uint64_t SumRun(const std::byte* data, uint64_t bytes, const std::byte* next) {
  uint64_t sums[8] = {};
  for (uint64_t at = 0; at + kLine <= bytes; at += kLine) {
    // Into the second-level cache, as the kernels do: the first level's few line fill buffers
    // would halve the speed.
    if (next != nullptr) __builtin_prefetch(next + at, 0, 2);
    uint64_t words[8];
    std::memcpy(words, data + at, kLine);
    for (int i = 0; i < 8; ++i) sums[i] += words[i];
  }
  uint64_t sum = 0;
  for (const uint64_t part : sums) sum += part;
  return sum;
}

// The sums have to go somewhere, or the compiler leaves the reading out.
void Keep(uint64_t value) {
  static std::atomic<uint64_t> sink;
  sink.fetch_xor(value, std::memory_order_relaxed);
}

// Best bytes per second of `body(piece, round)`, which returns the bytes it read, on all threads.
double BestRate(int threads, int64_t pieces, const std::atomic<bool>* cancel,
                const std::function<uint64_t(int64_t, int)>& body) {
  ThreadPool pool(threads);
  double best = 0;
  for (int round = 0; round < kRounds && !(cancel != nullptr && *cancel); ++round) {
    std::atomic<uint64_t> bytes{0};
    auto chunk = [&](int64_t piece, int) { bytes += body(piece, round); };
    const auto start = Clock::now();
    pool.ParallelFor(pieces, ChunkBody(chunk));
    best = std::max(best, static_cast<double>(bytes) / SecondsSince(start));
  }
  return best;
}

// Ascending block numbers with irregular gaps, ten on average; the same ones for the same seed.
class BlockWalk {
 public:
  explicit BlockWalk(uint32_t seed) : state_(seed * 2654435761U + 12345U), at_(Step()) {}
  uint64_t at() const { return at_; }
  void Next() { at_ += 1 + Step(); }

 private:
  uint64_t Step() {
    state_ = state_ * 1664525U + 1013904223U;
    return (state_ >> 16) % 19;
  }
  uint32_t state_;
  uint64_t at_;
};

// Reads the walk's blocks of a share, and prefetches as the kernels do: so many blocks ahead that
// the memory has time to answer. Returns the bytes read.
uint64_t ReadScattered(const std::byte* data, uint64_t bytes, uint64_t block, uint32_t seed) {
  constexpr uint64_t kLead = 8U << 10;
  const uint64_t blocks = bytes / block;
  BlockWalk here(seed);
  BlockWalk ahead(seed);
  for (uint64_t lead = 0; lead < std::max(kLead, block); lead += block) ahead.Next();
  uint64_t sum = 0;
  uint64_t read = 0;
  for (; here.at() < blocks; here.Next(), ahead.Next()) {
    const std::byte* const soon = ahead.at() < blocks ? data + ahead.at() * block : nullptr;
    sum += SumRun(data + here.at() * block, block, soon);
    read += block;
  }
  Keep(sum);
  return read;
}

int64_t PieceCount(uint64_t buffer_bytes, int threads) {
  const auto most = static_cast<int64_t>(std::max<uint64_t>(1, buffer_bytes / kLeastPiece));
  return std::min<int64_t>(most, int64_t{threads} * kPieces);
}

uint64_t PieceBytes(uint64_t buffer_bytes, int64_t pieces) {
  return buffer_bytes / static_cast<uint64_t>(pieces) / kLine * kLine;
}

}  // namespace

Result<MemoryProbe> MemoryProbe::Create(uint64_t buffer_bytes, const std::atomic<bool>* cancel) {
  if (buffer_bytes < (1U << 20)) {
    return Status(StatusCode::kInvalidArgument, "the buffer must have at least 1 MiB");
  }
  ASSIGN_OR_RETURN(HugeBuffer buffer, HugeBuffer::Allocate(buffer_bytes / kLine * kLine));
  // Written once: untouched pages would all be the same page of zeros.
  // In steps, because the system takes long to hand out a large buffer.
  constexpr size_t kStep = size_t{16} << 20;
  for (size_t at = 0; at < buffer.size() && !(cancel != nullptr && *cancel); at += kStep) {
    std::memset(buffer.data() + at, 1, std::min(kStep, buffer.size() - at));
  }
  return MemoryProbe(std::move(buffer), cancel);
}

Result<double> MemoryProbe::SequentialRead(int threads) const {
  constexpr uint64_t kStep = 256;  // what the loops take at a time
  const int64_t pieces = PieceCount(buffer_.size(), threads);
  const uint64_t share = PieceBytes(buffer_.size(), pieces);
  const std::vector<ReadLoop> loops = ReadLoops();
  const double rate = BestRate(threads, pieces, cancel_, [&](int64_t piece, int round) {
    const ReadLoop loop = loops[static_cast<size_t>(round) % loops.size()];
    Keep(loop(buffer_.data() + static_cast<uint64_t>(piece) * share, share / kStep * kStep));
    return share / kStep * kStep;
  });
  if (cancel_ != nullptr && *cancel_) return AbortedStatus();
  return rate;
}

Result<double> MemoryProbe::ScatteredRead(int threads, uint64_t block_bytes) const {
  const int64_t pieces = PieceCount(buffer_.size(), threads);
  const uint64_t share = PieceBytes(buffer_.size(), pieces);
  if (block_bytes < kLine || block_bytes > share / 16) {
    return Status(StatusCode::kInvalidArgument, "a block must be far smaller than the buffer");
  }
  const double rate = BestRate(threads, pieces, cancel_, [&](int64_t piece, int round) {
    // Other blocks in every round: a tenth of the buffer could stay in a large cache.
    const auto seed = static_cast<uint32_t>(round * pieces + piece);
    return ReadScattered(buffer_.data() + static_cast<uint64_t>(piece) * share, share,
                         block_bytes, seed);
  });
  if (cancel_ != nullptr && *cancel_) return AbortedStatus();
  return rate;
}

std::optional<bool> MemoryProbe::OnHugePages() const {
  const auto huge = HugePageBytes(buffer_.data(), buffer_.size());
  if (!huge) return std::nullopt;
  return *huge >= buffer_.size() / 10 * 9;
}

double MeasureThreadSync(int threads) {
  ThreadPool pool(threads);
  std::vector<double> seconds;
  for (int round = 0; round < kSyncRounds; ++round) {
    // Each chunk waits for all, so that no thread does another's and every one has to come.
    std::atomic<int> arrived{0};
    auto body = [&](int64_t, int) {
      ++arrived;
      while (arrived < threads) std::this_thread::yield();
    };
    const auto start = Clock::now();
    pool.ParallelFor(threads, ChunkBody(body));
    seconds.push_back(SecondsSince(start));
  }
  std::nth_element(seconds.begin(), seconds.begin() + kSyncRounds / 2, seconds.end());
  return seconds[kSyncRounds / 2];
}

}  // namespace thermocline
