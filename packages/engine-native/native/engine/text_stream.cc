#include "engine/text_stream.h"

#include <algorithm>

namespace thermocline {
namespace {

// Length of the longest end of `text` that begins `stop`.
size_t PartialMatch(std::string_view text, std::string_view stop) {
  for (size_t n = std::min(text.size(), stop.size() - 1); n > 0; --n) {
    if (text.substr(text.size() - n) == stop.substr(0, n)) return n;
  }
  return 0;
}

}  // namespace

std::string TextStream::Push(std::string_view bytes) {
  if (stopped_) return {};
  held_ += utf8_.Push(bytes);
  return Release();
}

std::string TextStream::Flush() {
  if (stopped_) return {};
  held_ += utf8_.Flush();
  std::string text = Release();
  if (!stopped_) text += std::exchange(held_, {});
  return text;
}

std::string TextStream::Release() {
  size_t first_stop = std::string::npos;
  size_t hold = 0;
  for (const std::string& stop : stops_) {
    first_stop = std::min(first_stop, held_.find(stop));
    hold = std::max(hold, PartialMatch(held_, stop));
  }
  stopped_ = first_stop != std::string::npos;
  const size_t n = stopped_ ? first_stop : held_.size() - hold;
  std::string text = held_.substr(0, n);
  held_.erase(0, n);
  return text;
}

}  // namespace thermocline
