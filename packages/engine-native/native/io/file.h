// Files, read at any position by any number of threads. A read either fills the
// whole buffer or fails; nothing is mapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "util/status.h"

namespace thermocline {

class File {
 public:
  File() = default;
  ~File();
  File(File&& other) noexcept : fd_(other.fd_), size_(other.size_), path_(std::move(other.path_)) {
    other.fd_ = -1;
  }
  File& operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(size_, other.size_);
    std::swap(path_, other.path_);
    return *this;
  }

  // kFileNotFound when it cannot be opened; kIo for folders, pipes and devices.
  static Result<File> Open(const std::string& path);

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }  // when it was opened

  // kIo when the file ends earlier (it was cut meanwhile) or the system refuses.
  Status Read(uint64_t offset, std::span<std::byte> into) const;

  // Lets the system fetch these bytes, which will soon be read, while others are waited for.
  void WillRead(uint64_t offset, uint64_t bytes) const;

  // What a read reports when the system gave an errno at `offset`, or the file's end.
  Status ReadFailed(uint64_t offset, int error) const;
  Status EndsEarly(uint64_t offset, uint64_t missing) const;

  int descriptor() const { return fd_; }

 private:
  int fd_ = -1;
  uint64_t size_ = 0;
  std::string path_;
};

// The whole file as text. `too_large` is the code when it has more than `max_bytes`.
Result<std::string> ReadWholeFile(const std::string& path, uint64_t max_bytes,
                                  StatusCode too_large);

}  // namespace thermocline
