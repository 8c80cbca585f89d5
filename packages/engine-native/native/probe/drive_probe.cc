#include "probe/drive_probe.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <system_error>
#include <thread>

#include "probe/measuring.h"
#include "probe/test_file.h"
#include "util/huge_buffer.h"

namespace thermocline {
namespace {

constexpr uint64_t kKiB = 1U << 10;
constexpr uint64_t kMiB = 1U << 20;
constexpr uint64_t kBlocks[] = {4 * kKiB,  8 * kKiB,   16 * kKiB, 32 * kKiB,
                                64 * kKiB, 128 * kKiB, 256 * kKiB};
constexpr int kDepths[] = {1, 4, 8, 16, 32};
constexpr uint64_t kBufferBytes = 32 * 256 * kKiB;  // the deepest queue of the largest blocks
constexpr double kLatencySeconds = 0.15;

// The reads of one figure.
struct ReadPattern {
  uint64_t block = 0;
  int depth = 0;
  double seconds = 0;
  bool sequential = false;  // readers share one run of blocks
};

// What readers share.
struct Reading {
  const TestFile& file;
  const HugeBuffer& memory;             // a block's room per reader
  const std::atomic<bool>* cancel;      // may be null
  std::atomic<uint64_t> next_block{0};  // goes on from figure to figure: none is read again soon
  std::atomic<int> error{0};            // an errno

  bool stopped() const { return error != 0 || (cancel != nullptr && *cancel); }
};

Status StoppedStatus(const Reading& reading) {
  if (reading.error == 0) return AbortedStatus();
  return Status(StatusCode::kIo,
                std::string("the test file could not be read: ") + std::strerror(reading.error),
                reading.file.folder());
}

// SplitMix64: no drive guesses which block comes next.
uint64_t Scatter(uint64_t n) {
  n = (n + 1) * 0x9E3779B97F4A7C15U;
  n = (n ^ (n >> 30)) * 0xBF58476D1CE4E5B9U;
  n = (n ^ (n >> 27)) * 0x94D049BB133111EBU;
  return n ^ (n >> 31);
}

void ReadNext(Reading& reading, const ReadPattern& pattern, int reader) {
  const uint64_t ticket = reading.next_block.fetch_add(1);
  const uint64_t blocks = reading.file.bytes() / pattern.block;
  const uint64_t block = (pattern.sequential ? ticket : Scatter(ticket)) % blocks;
  std::byte* const into = reading.memory.data() + static_cast<uint64_t>(reader) * pattern.block;
  const int error = reading.file.Read(block * pattern.block, pattern.block, into);
  if (error != 0) reading.error = error;
}

// Bytes per second of `depth` readers, each with one read under way.
Result<double> ReadRate(Reading& reading, const ReadPattern& pattern) {
  std::atomic<uint64_t> bytes{0};
  std::atomic<bool> go{false};
  Clock::time_point start;
  const auto reader = [&](int index) {
    go.wait(false);  // making threads is not reading
    do {  // once at least: where all wait for a busy drive, its rate is low but not zero
      ReadNext(reading, pattern, index);
      bytes += pattern.block;
    } while (!reading.stopped() && SecondsSince(start) < pattern.seconds);
  };
  std::vector<std::thread> threads;
  try {
    for (int i = 0; i < pattern.depth; ++i) threads.emplace_back(reader, i);
  } catch (const std::system_error&) {
    reading.error = EAGAIN;  // and those that are there have to end
  }
  start = Clock::now();
  go = true;
  go.notify_all();
  for (std::thread& thread : threads) thread.join();
  const double took = SecondsSince(start);
  if (reading.stopped()) return StoppedStatus(reading);
  return static_cast<double>(bytes) / took;
}

Result<double> MedianLatency(Reading& reading) {
  std::vector<double> seconds;
  const auto begin = Clock::now();
  while (seconds.empty() || SecondsSince(begin) < kLatencySeconds) {
    const auto start = Clock::now();
    ReadNext(reading, {.block = 4 * kKiB, .depth = 1}, 0);
    seconds.push_back(SecondsSince(start));
    if (reading.stopped()) return StoppedStatus(reading);
  }
  const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
  std::nth_element(seconds.begin(), middle, seconds.end());
  return *middle;
}

// Drives, and the hosts of virtual ones, let more through for a while than they keep up: reads
// until two slices agree. What was saved up is then spent, and the figures that follow hold too.
Result<double> SustainedRate(Reading& reading, double slice_seconds) {
  constexpr int kMinSlices = 4;
  constexpr int kMaxSlices = 12;
  const ReadPattern pattern = {
      .block = kMiB, .depth = 8, .seconds = slice_seconds, .sequential = true};
  double before = 0;
  double rate = 0;
  for (int slice = 0; slice < kMaxSlices; ++slice) {
    before = rate;
    ASSIGN_OR_RETURN(rate, ReadRate(reading, pattern));
    if (slice + 1 >= kMinSlices && std::fabs(rate - before) < 0.05 * rate) break;
  }
  return (before + rate) / 2;
}

// All sizes and depths, most bytes first: what the drive saves up while small blocks are read
// would else be spent on the large ones.
Result<std::vector<DriveRate>> RandomRates(Reading& reading, const DriveProbeOptions& options,
                                           const std::function<void(double)>& report) {
  std::vector<DriveRate> rates;
  for (const uint64_t block : kBlocks) {
    for (const int depth : kDepths) rates.push_back({block, depth, 0});
  }
  for (size_t left = rates.size(); left > 0; --left) {
    DriveRate& entry = rates[left - 1];
    const ReadPattern pattern = {
        .block = entry.block_bytes, .depth = entry.depth, .seconds = options.entry_seconds};
    ASSIGN_OR_RETURN(entry.bytes_per_second, ReadRate(reading, pattern));
    report(1 - static_cast<double>(left - 1) / static_cast<double>(rates.size()));
  }
  return rates;
}

}  // namespace

Result<DriveRates> MeasureDrive(const DriveProbeOptions& options) {
  const uint64_t file_bytes = options.file_bytes / kMiB * kMiB;
  if (file_bytes < 16 * kMiB) {
    return Status(StatusCode::kInvalidArgument, "the test file must have at least 16 MiB");
  }
  const auto report = [&](double fraction) {
    if (options.progress) options.progress(fraction);
  };
  ASSIGN_OR_RETURN(TestFile file, TestFile::Create(options.folder));
  RETURN_IF_ERROR(file.Write(file_bytes, options.cancel));
  ASSIGN_OR_RETURN(const HugeBuffer memory, HugeBuffer::Allocate(kBufferBytes));
  std::memset(memory.data(), 1, memory.size());  // pages that are there when the drive writes
  report(0.1);
  Reading reading{file, memory, options.cancel};
  DriveRates rates;
  ASSIGN_OR_RETURN(rates.sequential, SustainedRate(reading, 2 * options.entry_seconds));
  report(0.25);
  ASSIGN_OR_RETURN(rates.random, RandomRates(reading, options, [&](double fraction) {
    report(0.25 + 0.7 * fraction);
  }));
  ASSIGN_OR_RETURN(rates.latency_seconds, MedianLatency(reading));
  report(1);
  return rates;
}

}  // namespace thermocline
