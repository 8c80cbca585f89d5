#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode.h"

namespace thermocline {

std::string Utf8Stream::Push(std::string_view bytes) {
  pending_.append(bytes);
  std::string out;
  size_t at = 0;
  while (at < pending_.size()) {
    const Char c = CharAt(pending_, at);
    if (c.cut_off) break;  // at most three bytes, which later ones may complete
    AppendUtf8(c.code, &out);
    at += c.length;
  }
  pending_.erase(0, at);
  return out;
}

std::string Utf8Stream::Flush() {
  std::string out;
  if (!pending_.empty()) AppendUtf8(kReplacementChar, &out);
  pending_.clear();
  return out;
}

}  // namespace thermocline
