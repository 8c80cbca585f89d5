// Memory for weights and caches: zeroed pages from the system. From 2 MiB on they are
// aligned to 2 MiB and advised to be huge pages, so that streaming reads miss the TLB less;
// smaller buffers are rounded up to a plain page only.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "util/status.h"

namespace thermocline {

class HugeBuffer {
 public:
  HugeBuffer() = default;
  ~HugeBuffer();
  HugeBuffer(HugeBuffer&& other) noexcept { swap(other); }
  HugeBuffer& operator=(HugeBuffer&& other) noexcept {
    swap(other);
    return *this;
  }

  // kOutOfMemory, with the number of bytes, when the system refuses. bytes may be 0.
  static Result<HugeBuffer> Allocate(size_t bytes);

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void swap(HugeBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(mapped_, other.mapped_);
  }

  std::byte* data_ = nullptr;
  size_t size_ = 0;
  size_t mapped_ = 0;
};

}  // namespace thermocline
