// The typed questions that GgufHeader answers about its keys.
#include <cmath>
#include <limits>

#include "io/cursor.h"
#include "io/gguf_header.h"
#include "io/text.h"

namespace thermocline {
namespace {

constexpr uint64_t kMaxStringBytes = 16 << 20;  // chat templates are the longest texts

Status WrongType(const GgufHeader& header, const GgufEntry& entry, const char* expected) {
  return Status(StatusCode::kModelCorrupt,
                "The key " + Quoted(entry.key) + " has the type " + GgufTypeName(entry.type) +
                    "; " + expected + " is expected.",
                header.file().path());
}

bool IsInteger(GgufType type) {
  switch (type) {
    case GgufType::kU8: case GgufType::kI8: case GgufType::kU16: case GgufType::kI16:
    case GgufType::kU32: case GgufType::kI32: case GgufType::kU64: case GgufType::kI64:
      return true;
    default:
      return false;
  }
}

template <typename T>
bool TakeAs(Cursor& cursor, uint64_t& value, bool& negative) {
  T raw{};
  if (!cursor.Take(raw)) return false;
  if constexpr (std::is_signed_v<T>) negative = raw < 0;
  value = static_cast<uint64_t>(raw);
  return true;
}

bool TakeInteger(Cursor& cursor, GgufType type, uint64_t& value, bool& negative) {
  switch (type) {
    case GgufType::kU8: return TakeAs<uint8_t>(cursor, value, negative);
    case GgufType::kI8: return TakeAs<int8_t>(cursor, value, negative);
    case GgufType::kU16: return TakeAs<uint16_t>(cursor, value, negative);
    case GgufType::kI16: return TakeAs<int16_t>(cursor, value, negative);
    case GgufType::kU32: return TakeAs<uint32_t>(cursor, value, negative);
    case GgufType::kI32: return TakeAs<int32_t>(cursor, value, negative);
    case GgufType::kU64: return TakeAs<uint64_t>(cursor, value, negative);
    case GgufType::kI64: return TakeAs<int64_t>(cursor, value, negative);
    default: return false;
  }
}

Cursor At(const GgufHeader& header, const GgufEntry& entry) {
  return Cursor(header.file(), entry.begin, entry.end);
}

}  // namespace

Result<std::optional<uint64_t>> GgufHeader::GetUint(std::string_view key) const {
  ASSIGN_OR_RETURN(const auto list, GetUintList(key, 1));
  if (!list) return std::optional<uint64_t>();
  if (!list->lone) return WrongType(*this, *Find(key), "an integer");
  return std::optional(list->values[0]);
}

Result<std::optional<GgufHeader::UintList>> GgufHeader::GetUintList(std::string_view key,
                                                                    uint64_t max_count) const {
  const GgufEntry* entry = Find(key);
  if (entry == nullptr) return std::optional<UintList>();
  const bool lone = entry->type != GgufType::kArray;
  const GgufType type = lone ? entry->type : entry->element;
  if (!IsInteger(type)) return WrongType(*this, *entry, "an integer or an array of integers");
  const uint64_t count = lone ? 1 : entry->count;
  if (count > max_count) {
    return Corrupt("the array " + Quoted(key) + " has " + std::to_string(count) +
                   " items; at most " + std::to_string(max_count) + " are expected");
  }
  UintList list;
  list.lone = lone;
  list.values.resize(static_cast<size_t>(count));
  Cursor cursor = At(*this, *entry);
  for (uint64_t& value : list.values) {
    bool negative = false;
    if (!TakeInteger(cursor, type, value, negative)) return cursor.status();
    if (negative) return Corrupt("the key " + Quoted(key) + " is negative");
  }
  return std::optional(std::move(list));
}

Result<std::optional<double>> GgufHeader::GetFloat(std::string_view key) const {
  const GgufEntry* entry = Find(key);
  if (entry == nullptr) return std::optional<double>();
  Cursor cursor = At(*this, *entry);
  double value = 0;
  if (entry->type == GgufType::kF32) {
    float narrow = 0;
    if (!cursor.Take(narrow)) return cursor.status();
    value = static_cast<double>(narrow);
  } else if (entry->type == GgufType::kF64) {
    if (!cursor.Take(value)) return cursor.status();
  } else {
    return WrongType(*this, *entry, "f32 or f64");
  }
  if (!std::isfinite(value)) return Corrupt("the key " + Quoted(key) + " is not a finite number");
  return std::optional(value);
}

Result<std::optional<bool>> GgufHeader::GetBool(std::string_view key) const {
  const GgufEntry* entry = Find(key);
  if (entry == nullptr) return std::optional<bool>();
  if (entry->type != GgufType::kBool) return WrongType(*this, *entry, "bool");
  Cursor cursor = At(*this, *entry);
  uint8_t value = 0;
  if (!cursor.Take(value)) return cursor.status();
  if (value > 1) {
    return Corrupt("the key " + Quoted(key) + " is a bool of value " + std::to_string(value));
  }
  return std::optional(value == 1);
}

Result<std::optional<std::string>> GgufHeader::GetString(std::string_view key) const {
  const GgufEntry* entry = Find(key);
  if (entry == nullptr) return std::optional<std::string>();
  if (entry->type != GgufType::kString) return WrongType(*this, *entry, "string");
  Cursor cursor = At(*this, *entry);
  std::string value;
  if (!cursor.TakeString(value, kMaxStringBytes)) return cursor.status();
  if (!IsValidUtf8(value)) return Corrupt("the key " + Quoted(key) + " is not valid UTF-8");
  return std::optional(std::move(value));
}

}  // namespace thermocline
