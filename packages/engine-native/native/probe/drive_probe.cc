#include "probe/drive_probe.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "util/huge_buffer.h"

#if defined(__linux__)
#include <fcntl.h>
#include <unistd.h>
#endif

namespace thermocline {

#if defined(__linux__)
namespace {

using Clock = std::chrono::steady_clock;
constexpr uint64_t kChunk = 1U << 20;
constexpr int kDepth = 32;
constexpr double kSeconds = 0.3;  // per measurement

Status SystemError(const std::string& what, const std::string& path) {
  return Status(StatusCode::kIo, what + ": " + std::strerror(errno), path);
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

// Bytes that no drive can shrink.
void FillNoise(std::byte* data, uint64_t bytes, uint64_t seed) {
  uint64_t state = seed * 0x9E3779B97F4A7C15U + 1;
  for (uint64_t at = 0; at + 8 <= bytes; at += 8) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    std::memcpy(data + at, &state, 8);
  }
}

Status WriteNoise(int fd, uint64_t bytes, const std::string& path,
                  const std::atomic<bool>* cancel) {
  ASSIGN_OR_RETURN(HugeBuffer chunk, HugeBuffer::Allocate(kChunk));
  for (uint64_t at = 0; at < bytes; at += kChunk) {
    if (cancel != nullptr && *cancel) {
      return Status(StatusCode::kAborted, "the measurement was aborted");
    }
    FillNoise(chunk.data(), kChunk, at + 1);
    for (uint64_t done = 0; done < kChunk;) {
      const ssize_t n = pwrite(fd, chunk.data() + done, kChunk - done,
                               static_cast<off_t>(at + done));
      if (n <= 0) return SystemError("the test file could not be written", path);
      done += static_cast<uint64_t>(n);
    }
  }
  if (fsync(fd) != 0) return SystemError("the test file could not be written", path);
  return Status::Ok();
}

// Bytes per second of `depth` readers. Sequential: they share one run of blocks.
Result<double> ReadRate(int fd, uint64_t file_bytes, uint64_t block, bool sequential, int depth,
                        const std::string& path, const std::atomic<bool>* cancel) {
  ASSIGN_OR_RETURN(HugeBuffer memory,
                   HugeBuffer::Allocate(static_cast<uint64_t>(depth) * block));
  const uint64_t blocks = file_bytes / block;
  std::atomic<uint64_t> next{0};
  std::atomic<uint64_t> read{0};
  std::atomic<int> error{0};
  const auto start = Clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  const auto reader = [&](int index) {
    std::byte* const into = memory.data() + static_cast<uint64_t>(index) * block;
    while (error == 0 && seconds() < kSeconds && !(cancel != nullptr && *cancel)) {
      const uint64_t ticket = next.fetch_add(1);
      const uint64_t at = sequential ? ticket % blocks : ticket * 0x9E3779B97F4A7C15U % blocks;
      const ssize_t n = pread(fd, into, block, static_cast<off_t>(at * block));
      if (n != static_cast<ssize_t>(block)) {
        error = n < 0 ? errno : EIO;
        return;
      }
      read += block;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < depth; ++i) threads.emplace_back(reader, i);
  reader(0);
  for (std::thread& thread : threads) thread.join();
  const double took = seconds();
  if (cancel != nullptr && *cancel) {
    return Status(StatusCode::kAborted, "the measurement was aborted");
  }
  if (error != 0) {
    errno = error;
    return SystemError("the test file could not be read", path);
  }
  return static_cast<double>(read) / took;
}

}  // namespace

Result<DriveRates> MeasureDrive(const std::string& folder, uint64_t file_bytes,
                                const std::atomic<bool>* cancel) {
  file_bytes = file_bytes / kChunk * kChunk;
  if (file_bytes < 16 * kChunk) {
    return Status(StatusCode::kInvalidArgument, "the test file must have at least 16 MiB");
  }
  std::string path = folder + "/thermocline-probe-XXXXXX";
  const Descriptor writer(mkostemp(path.data(), O_CLOEXEC));
  if (writer.get() < 0) return SystemError("no test file could be made", folder);
  const Descriptor reader(open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  const int refused = errno;
  unlink(path.c_str());
  if (reader.get() < 0) {
    errno = refused;
    return SystemError("its file system does not read past its cache (O_DIRECT)", folder);
  }
  RETURN_IF_ERROR(WriteNoise(writer.get(), file_bytes, folder, cancel));
  DriveRates rates;
  ASSIGN_OR_RETURN(rates.sequential,
                   ReadRate(reader.get(), file_bytes, kChunk, true, kDepth, folder, cancel));
  for (const uint64_t block : {4096U, 8192U, 16384U, 32768U, 65536U}) {
    ASSIGN_OR_RETURN(const double rate,
                     ReadRate(reader.get(), file_bytes, block, false, kDepth, folder, cancel));
    rates.random.emplace_back(block, rate);
  }
  ASSIGN_OR_RETURN(const double alone,
                   ReadRate(reader.get(), file_bytes, 4096, false, 1, folder, cancel));
  rates.latency_seconds = 4096 / alone;
  return rates;
}

#else

Result<DriveRates> MeasureDrive(const std::string& folder, uint64_t, const std::atomic<bool>*) {
  return Status(StatusCode::kIo, "drives are measured on Linux only so far", folder);
}

#endif

}  // namespace thermocline
