#include "probe/memory_probe.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <thread>

#include "util/thread_pool.h"

namespace thermocline {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kRounds = 5;
constexpr int kSyncRounds = 2001;
constexpr uint64_t kLine = 64;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Adds up a run of words in eight chains, so that loads and not additions are the limit, and
// asks for the lines of the run that comes next (null: none is known).
uint64_t SumRun(const std::byte* data, uint64_t bytes, const std::byte* next) {
  uint64_t sums[8] = {};
  for (uint64_t at = 0; at + kLine <= bytes; at += kLine) {
    if (next != nullptr) __builtin_prefetch(next + at);
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

// Best bytes per second of `body(thread)`, which returns the bytes it read, on all threads.
double BestRate(int threads, const std::atomic<bool>* cancel,
                const std::function<uint64_t(int64_t)>& body) {
  ThreadPool pool(threads);
  double best = 0;
  for (int round = 0; round < kRounds && !(cancel != nullptr && *cancel); ++round) {
    std::atomic<uint64_t> bytes{0};
    auto chunk = [&](int64_t share, int) { bytes += body(share); };
    const auto start = Clock::now();
    pool.ParallelFor(threads, ChunkBody(chunk));
    best = std::max(best, static_cast<double>(bytes) / SecondsSince(start));
  }
  return best;
}

Status AbortedStatus() { return Status(StatusCode::kAborted, "the measurement was aborted"); }

}  // namespace

Result<MemoryProbe> MemoryProbe::Create(uint64_t buffer_bytes, const std::atomic<bool>* cancel) {
  if (buffer_bytes < (1U << 20)) {
    return Status(StatusCode::kInvalidArgument, "the buffer must have at least 1 MiB");
  }
  ASSIGN_OR_RETURN(HugeBuffer buffer, HugeBuffer::Allocate(buffer_bytes / kLine * kLine));
  // Written once: untouched pages would all be the same page of zeros.
  std::memset(buffer.data(), 1, buffer.size());
  return MemoryProbe(std::move(buffer), cancel);
}

Result<double> MemoryProbe::SequentialRead(int threads) const {
  const uint64_t share = buffer_.size() / static_cast<uint64_t>(threads) / kLine * kLine;
  const double rate = BestRate(threads, cancel_, [&](int64_t thread) {
    Keep(SumRun(buffer_.data() + static_cast<uint64_t>(thread) * share, share, nullptr));
    return share;
  });
  if (cancel_ != nullptr && *cancel_) return AbortedStatus();
  return rate;
}

Result<double> MemoryProbe::ScatteredRead(int threads, uint64_t block_bytes) const {
  if (block_bytes < kLine || block_bytes > buffer_.size() / 64) {
    return Status(StatusCode::kInvalidArgument, "a block must be far smaller than the buffer");
  }
  const uint64_t share = buffer_.size() / static_cast<uint64_t>(threads) / kLine * kLine;
  const double rate = BestRate(threads, cancel_, [&](int64_t thread) {
    const std::byte* const data = buffer_.data() + static_cast<uint64_t>(thread) * share;
    uint32_t state = 12345U + static_cast<uint32_t>(thread);
    uint64_t sum = 0;
    uint64_t read = 0;
    for (uint64_t block = 0; (block + 1) * block_bytes <= share;) {
      state = state * 1664525U + 1013904223U;
      const uint64_t next = block + 1 + (state >> 16) % 19;  // 10 on average
      const bool last = (next + 1) * block_bytes > share;
      sum += SumRun(data + block * block_bytes, block_bytes,
                    last ? nullptr : data + next * block_bytes);
      read += block_bytes;
      block = next;
    }
    Keep(sum);
    return read;
  });
  if (cancel_ != nullptr && *cancel_) return AbortedStatus();
  return rate;
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
