// A strict JSON reader (RFC 8259) for files that nobody vouches for: one pass, no
// recursion, 8 bytes of memory per value beside the text itself.
//
// Refused: malformed UTF-8, lone surrogates, control characters in strings, a byte
// order mark, text after the value, nesting deeper than kMaxDepth, more than
// kMaxBytes. When an object repeats a key, Find returns the last one; readers for
// which a repeat is an error walk the members themselves.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "util/status.h"

namespace thermocline {

class JsonValue;

class JsonDocument {
 public:
  static constexpr uint64_t kMaxBytes = 256ULL << 20;
  static constexpr size_t kMaxDepth = 64;

  // Takes the text over; values point into the document. Errors carry `code` and
  // name the byte.
  static Result<std::unique_ptr<JsonDocument>> Parse(std::string text, StatusCode code);

  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;

  JsonValue root() const;

 private:
  friend class JsonValue;
  friend class JsonParser;

  enum class Kind : uint32_t { kNull, kFalse, kTrue, kNumber, kPlain, kEscaped, kArray, kObject };

  // Values in the order of the text; an object's keys are values too.
  struct Node {
    uint32_t kind : 3;
    uint32_t start : 29;  // scalars: first byte in the text; containers: number of entries
    uint32_t extent;      // scalars: length in bytes; containers: node after the last inside
  };
  static_assert(sizeof(Node) == 8);

  explicit JsonDocument(std::string text) : text_(std::move(text)) {}

  std::string text_;
  std::vector<Node> nodes_;
};

// A value of a document, or nothing (the result of a failed Find): every question
// may be asked of every value, and the wrong kind answers nothing.
class JsonValue {
 public:
  JsonValue() = default;

  bool exists() const { return document_ != nullptr; }
  bool IsNull() const { return Is(Kind::kNull); }
  bool IsString() const { return Is(Kind::kPlain) || Is(Kind::kEscaped); }
  bool IsNumber() const { return Is(Kind::kNumber); }
  bool IsArray() const { return Is(Kind::kArray); }
  bool IsObject() const { return Is(Kind::kObject); }
  const char* TypeName() const;  // "a string", "nothing", ...: for messages

  std::optional<bool> AsBool() const;
  std::optional<int64_t> AsInt64() const;    // exact; written without fraction and exponent
  std::optional<uint64_t> AsUint64() const;
  std::optional<double> AsDouble() const;    // finite
  std::optional<std::string> AsString() const;

  // The text of this value as the file has it (strings without their quotes).
  std::string_view Source() const;

  size_t size() const;                         // entries of an array or object, else 0
  JsonValue Find(std::string_view key) const;  // linear in the object
  bool Equals(std::string_view text) const;    // a string with exactly this content

  // for (JsonValue v = array.First(); v.exists(); v = v.Next())
  // An object gives key, value, key, value; of which Value() is the key's value.
  JsonValue First() const;
  JsonValue Next() const;   // of the same array
  JsonValue Value() const { return Next(); }
  JsonValue NextKey() const { return Next().Next(); }

 private:
  friend class JsonDocument;
  using Kind = JsonDocument::Kind;

  JsonValue(const JsonDocument* document, uint32_t index, uint32_t end)
      : document_(document), index_(index), end_(end) {}

  const JsonDocument::Node& node() const { return document_->nodes_[index_]; }
  Kind kind() const { return static_cast<Kind>(node().kind); }
  bool Is(Kind k) const { return exists() && kind() == k; }

  const JsonDocument* document_ = nullptr;
  uint32_t index_ = 0;
  uint32_t end_ = 0;  // where the container of this value ends
};

}  // namespace thermocline
