// Reads little-endian values one after another from a range of a file, through a
// small buffer. Every Take answers false at the end of the range, and from then on;
// status() then tells whether the data ended or the system refused.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "io/file.h"
#include "util/status.h"

namespace thermocline {

class Cursor {
 public:
  // REQUIRES: `file` outlives the cursor; begin <= end <= file.size().
  Cursor(const File& file, uint64_t begin, uint64_t end);

  uint64_t offset() const { return offset_; }
  uint64_t remaining() const { return end_ - offset_; }

  // Ok, kIo, or kModelCorrupt ("the file ends ...") after a Take answered false.
  Status status() const;

  template <typename T>
  bool Take(T& value) {
    static_assert(std::is_arithmetic_v<T> && std::endian::native == std::endian::little);
    return TakeBytes(&value, sizeof(T));
  }
  bool TakeBytes(void* into, size_t bytes);

  // A 64-bit length and that many bytes; false too when longer than `max_bytes`.
  bool TakeString(std::string& text, uint64_t max_bytes);
  bool SkipString();
  bool Skip(uint64_t bytes);

 private:
  bool Fill();

  const File& file_;
  uint64_t offset_;
  uint64_t end_;
  std::vector<std::byte> buffer_;
  uint64_t buffer_begin_ = 0;
  size_t buffer_bytes_ = 0;
  bool ended_ = false;
  Status io_status_;
};

}  // namespace thermocline
