// Reads of a large file, each byte once, that leave the system's cache as it is: a model in memory
// need not be there a second time. What the cache holds already is taken from it; all else is read
// past it (O_DIRECT) from the drive into the caller's memory.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

#include "io/file.h"
#include "util/status.h"

namespace thermocline {

// Bytes by the way they were read.
struct ReadCounts {
  uint64_t direct = 0;   // past the cache
  uint64_t cached = 0;   // were in the cache before
  uint64_t through = 0;  // through the cache, which let go of them afterwards
};

// From any number of threads.
class UncachedFile {
 public:
  // Place, size and address of direct reads are multiples of it. The largest block of common
  // drives; where a file system wants more, its refusal is a reason to fall back.
  static constexpr uint64_t kAlignment = 4096;

  // kThrough never reads past the cache, as if the file system refused.
  enum class Way { kPast, kThrough };

  // `file` outlives it. Always works: where reads cannot go past the cache they go through it, in
  // the same pieces, and it is told to let go of each; fallback() says why.
  explicit UncachedFile(const File& file, Way way = Way::kPast);
  ~UncachedFile();
  UncachedFile(const UncachedFile&) = delete;
  UncachedFile& operator=(const UncachedFile&) = delete;

  // Room that Read takes for `bytes` bytes from anywhere.
  static constexpr uint64_t BufferBytes(uint64_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment + kAlignment;
  }
  // Reads [offset, offset + bytes) and says where in `buffer` it lies. kIo as File::Read.
  // REQUIRES: buffer at a multiple of kAlignment, with room for BufferBytes(bytes).
  Result<const std::byte*> Read(uint64_t offset, uint64_t bytes, std::byte* buffer);

  // Why reads do not go past the cache; empty when they do.
  std::string fallback() const;
  ReadCounts counts() const { return {direct_, cached_, through_}; }

 private:
  std::string OpenPast();
  Result<const std::byte*> ReadPast(uint64_t offset, uint64_t bytes, std::byte* buffer);
  Status ReadThrough(uint64_t offset, uint64_t bytes, std::byte* buffer);
  void FallBack(const std::string& reason);

  const File& file_;
  int direct_descriptor_ = -1;
  std::atomic<bool> past_{false};  // whether reads go past the cache
  mutable std::mutex mutex_;
  std::string fallback_;
  std::atomic<uint64_t> direct_{0}, cached_{0}, through_{0};
};

}  // namespace thermocline
