// GGUF keys as text, for `inspect`.
#include <algorithm>
#include <charconv>

#include "io/cursor.h"
#include "io/gguf_reader.h"
#include "io/text.h"

namespace thermocline {
namespace {

constexpr uint64_t kMaxItems = 6;
constexpr uint64_t kMaxTextBytes = 200;

template <typename T>
bool AppendNumber(Cursor& cursor, std::string& out) {
  T value{};
  if (!cursor.Take(value)) return false;
  char text[64];
  const auto [end, error] = std::to_chars(text, text + sizeof(text), value);
  if (error == std::errc()) out.append(text, end);
  return true;
}

bool AppendString(Cursor& cursor, std::string& out) {
  uint64_t length = 0;
  if (!cursor.Take(length)) return false;
  // A few bytes more than are shown, so that a cut is seen as one.
  std::string text(static_cast<size_t>(std::min(length, kMaxTextBytes + 8)), '\0');
  if (!cursor.TakeBytes(text.data(), text.size()) || !cursor.Skip(length - text.size())) {
    return false;
  }
  out += Printable(text, kMaxTextBytes);
  return true;
}

bool AppendValue(Cursor& cursor, GgufType type, std::string& out) {
  switch (type) {
    case GgufType::kU8: return AppendNumber<uint8_t>(cursor, out);
    case GgufType::kI8: return AppendNumber<int8_t>(cursor, out);
    case GgufType::kU16: return AppendNumber<uint16_t>(cursor, out);
    case GgufType::kI16: return AppendNumber<int16_t>(cursor, out);
    case GgufType::kU32: return AppendNumber<uint32_t>(cursor, out);
    case GgufType::kI32: return AppendNumber<int32_t>(cursor, out);
    case GgufType::kU64: return AppendNumber<uint64_t>(cursor, out);
    case GgufType::kI64: return AppendNumber<int64_t>(cursor, out);
    case GgufType::kF32: return AppendNumber<float>(cursor, out);
    case GgufType::kF64: return AppendNumber<double>(cursor, out);
    case GgufType::kString: return AppendString(cursor, out);
    case GgufType::kArray: return false;
    case GgufType::kBool: {
      uint8_t value = 0;
      if (!cursor.Take(value)) return false;
      out += value == 0 ? "false" : "true";
      return true;
    }
  }
  return false;
}

}  // namespace

Result<std::vector<MetadataEntry>> ReadGgufMetadata(const GgufHeader& header) {
  std::vector<MetadataEntry> list;
  list.reserve(header.entries().size());
  for (const GgufEntry& entry : header.entries()) {
    MetadataEntry item;
    item.key = Printable(entry.key, kMaxTextBytes);
    const bool is_array = entry.type == GgufType::kArray;
    const GgufType type = is_array ? entry.element : entry.type;
    item.type = is_array ? std::string("array of ") + GgufTypeName(type) + " (" +
                               std::to_string(entry.count) + ")"
                         : GgufTypeName(type);
    Cursor cursor(header.file(), entry.begin, entry.end);
    const uint64_t n = is_array ? std::min(entry.count, kMaxItems) : 1;
    for (uint64_t i = 0; i < n && type != GgufType::kArray; ++i) {
      if (i > 0) item.text += ", ";
      if (!AppendValue(cursor, type, item.text)) return cursor.status();
    }
    if (is_array && (n < entry.count || type == GgufType::kArray)) item.text += ", ...";
    list.push_back(std::move(item));
  }
  return list;
}

}  // namespace thermocline
