// A file to measure a drive with. It has no name, so that nothing is left behind however the
// program ends, and its reads go past the system's cache. Linux only so far.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include "util/status.h"

namespace thermocline {

class TestFile {
 public:
  // Empty. Errors: kIo with the reason when the folder cannot be written, lies in memory, or its
  // file system has no direct I/O.
  static Result<TestFile> Create(const std::string& folder);
  ~TestFile();
  TestFile(TestFile&& other) noexcept
      : folder_(std::move(other.folder_)),
        descriptor_(std::exchange(other.descriptor_, -1)),
        bytes_(other.bytes_) {}
  TestFile& operator=(TestFile&&) = delete;

  // Writes `bytes` that no drive can shrink, a multiple of 1 MiB, or as many as a slow drive takes
  // in three seconds, 16 MiB at least. Errors: kIo; kAborted (`cancel` may be null).
  Status Write(uint64_t bytes, const std::atomic<bool>* cancel);

  // Reads a whole block at `offset`; 0 or an errno. From any thread.
  // REQUIRES: offset, bytes and the address are multiples of 4 KiB.
  int Read(uint64_t offset, uint64_t bytes, std::byte* into) const;

  uint64_t bytes() const { return bytes_; }
  const std::string& folder() const { return folder_; }

 private:
  TestFile(std::string folder, int descriptor)
      : folder_(std::move(folder)), descriptor_(descriptor) {}

  std::string folder_;
  int descriptor_ = -1;
  uint64_t bytes_ = 0;
};

}  // namespace thermocline
