#include "io/cursor.h"

#include <algorithm>
#include <span>

#include "io/text.h"

namespace thermocline {
namespace {

constexpr uint64_t kBufferBytes = 64 << 10;

}  // namespace

Cursor::Cursor(const File& file, uint64_t begin, uint64_t end)
    : file_(file),
      offset_(begin),
      end_(end),
      buffer_(static_cast<size_t>(std::min(kBufferBytes, end - begin))) {}

Status Cursor::status() const {
  if (!io_status_.ok()) return io_status_;
  if (!ended_) return Status::Ok();
  return Status(StatusCode::kModelCorrupt,
                "The file is truncated: a value at byte " + std::to_string(offset_) +
                    " reaches past the end at byte " + std::to_string(end_) + ".",
                file_.path());
}

bool Cursor::Fill() {
  const auto bytes = static_cast<size_t>(std::min<uint64_t>(buffer_.size(), remaining()));
  buffer_begin_ = offset_;
  buffer_bytes_ = 0;
  io_status_ = file_.Read(offset_, std::span(buffer_).first(bytes));
  if (!io_status_.ok()) return false;
  buffer_bytes_ = bytes;
  return true;
}

bool Cursor::TakeBytes(void* into, size_t bytes) {
  if (ended_ || !io_status_.ok()) return false;
  if (bytes > remaining()) {
    ended_ = true;
    return false;
  }
  auto* out = static_cast<std::byte*>(into);
  while (bytes > 0) {
    if (offset_ < buffer_begin_ || offset_ >= buffer_begin_ + buffer_bytes_) {
      if (!Fill()) return false;
    }
    const auto at = static_cast<size_t>(offset_ - buffer_begin_);
    const size_t n = std::min(bytes, buffer_bytes_ - at);
    std::memcpy(out, buffer_.data() + at, n);
    out += n;
    offset_ += n;
    bytes -= n;
  }
  return true;
}

bool Cursor::Skip(uint64_t bytes) {
  if (ended_ || !io_status_.ok()) return false;
  if (bytes > remaining()) {
    ended_ = true;
    return false;
  }
  offset_ += bytes;
  return true;
}

bool Cursor::TakeString(std::string& text, uint64_t max_bytes) {
  uint64_t length = 0;
  if (!Take(length)) return false;
  if (length > remaining()) {
    ended_ = true;
    return false;
  }
  if (length > max_bytes) {
    io_status_ = Status(StatusCode::kModelCorrupt,
                        "A text of " + std::to_string(length) + " bytes at byte " +
                            std::to_string(offset_) + " is longer than the " +
                            std::to_string(max_bytes) + " allowed there.",
                        file_.path());
    return false;
  }
  text.resize(static_cast<size_t>(length));
  return TakeBytes(text.data(), text.size());
}

bool Cursor::SkipString() {
  uint64_t length = 0;
  return Take(length) && Skip(length);
}

}  // namespace thermocline
