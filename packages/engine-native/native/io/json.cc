#include "io/json.h"

#include <array>
#include <charconv>
#include <cmath>

#include "io/text.h"

namespace thermocline {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The value of four hex digits at `at`, or -1.
int32_t HexAt(std::string_view text, size_t at) {
  if (at + 4 > text.size()) return -1;
  int32_t value = 0;
  const char* begin = text.data() + at;
  const auto [end, error] = std::from_chars(begin, begin + 4, value, 16);
  return error == std::errc() && end == begin + 4 && *begin != '-' ? value : -1;
}

// Reads the escape that starts at text[at] (a backslash). Gives the code point and
// moves `at` past it; false when malformed.
bool ReadEscape(std::string_view text, size_t& at, uint32_t& code_point) {
  if (at + 1 >= text.size()) return false;
  const char c = text[at + 1];
  at += 2;
  switch (c) {
    case '"': case '\\': case '/': code_point = static_cast<uint32_t>(c); return true;
    case 'b': code_point = '\b'; return true;
    case 'f': code_point = '\f'; return true;
    case 'n': code_point = '\n'; return true;
    case 'r': code_point = '\r'; return true;
    case 't': code_point = '\t'; return true;
    case 'u': break;
    default: return false;
  }
  const int32_t high = HexAt(text, at);
  if (high < 0) return false;
  at += 4;
  if (high < 0xD800 || high > 0xDFFF) {
    code_point = static_cast<uint32_t>(high);
    return true;
  }
  if (high > 0xDBFF || text.substr(at, 2) != "\\u") return false;
  const int32_t low = HexAt(text, at + 2);
  if (low < 0xDC00 || low > 0xDFFF) return false;
  at += 6;
  code_point = 0x10000U + (static_cast<uint32_t>(high - 0xD800) << 10) +
               static_cast<uint32_t>(low - 0xDC00);
  return true;
}

}  // namespace

// Runs twice over the text: the first pass checks it and counts the values, the
// second fills a node list of exactly that size.
class JsonParser {
 public:
  JsonParser(std::string_view text, std::vector<JsonDocument::Node>* nodes)
      : text_(text), nodes_(nodes) {}

  bool Run();
  size_t count() const { return count_; }
  size_t at() const { return at_; }
  const char* problem() const { return problem_; }

 private:
  using Kind = JsonDocument::Kind;
  struct Open {
    uint32_t node;
    uint32_t entries;
    bool object;
  };

  bool Fail(const char* problem) {
    problem_ = problem;
    return false;
  }
  void SkipSpace() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }
  bool Take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void Add(Kind kind, size_t start, size_t extent) {
    if (nodes_ != nullptr) {
      nodes_->push_back({static_cast<uint32_t>(kind) & 7U, static_cast<uint32_t>(start) & 0x1FFFFFFF,
                         static_cast<uint32_t>(extent)});
    }
    ++count_;
  }
  bool OpenContainer(bool object);
  void CloseContainer();
  bool ReadKey();
  bool ReadScalar();
  bool ReadString();
  bool ReadNumber();
  bool ReadWord(std::string_view word, Kind kind);

  std::string_view text_;
  std::vector<JsonDocument::Node>* nodes_;
  std::array<Open, JsonDocument::kMaxDepth> open_ = {};
  size_t depth_ = 0;
  size_t at_ = 0;
  size_t count_ = 0;
  const char* problem_ = "";
};

bool JsonParser::Run() {
  while (true) {
    // A value starts here.
    SkipSpace();
    bool is_empty_container = true;
    if (Take('{')) {
      if (!OpenContainer(true)) return false;
      SkipSpace();
      if (!Take('}')) {
        if (!ReadKey()) return false;
        continue;
      }
      CloseContainer();
    } else if (Take('[')) {
      if (!OpenContainer(false)) return false;
      SkipSpace();
      if (!Take(']')) continue;
      CloseContainer();
    } else {
      is_empty_container = false;
    }
    if (!is_empty_container && !ReadScalar()) return false;

    // A value ended here: close what it completes, then go on to the next one.
    while (true) {
      SkipSpace();
      if (depth_ == 0) {
        return at_ == text_.size() || Fail("there is text after the end of the value");
      }
      Open& parent = open_[depth_ - 1];
      ++parent.entries;
      if (Take(',')) {
        SkipSpace();
        if (parent.object && !ReadKey()) return false;
        break;
      }
      if (!Take(parent.object ? '}' : ']')) {
        return Fail(parent.object ? "expected ',' or '}'" : "expected ',' or ']'");
      }
      CloseContainer();
    }
  }
}

bool JsonParser::OpenContainer(bool object) {
  if (depth_ == open_.size()) return Fail("it is nested too deeply");
  open_[depth_++] = {static_cast<uint32_t>(count_), 0, object};
  Add(object ? Kind::kObject : Kind::kArray, 0, 0);
  return true;
}

void JsonParser::CloseContainer() {
  const Open closed = open_[--depth_];
  if (nodes_ == nullptr) return;
  auto& node = (*nodes_)[closed.node];
  node.start = closed.entries & 0x1FFFFFFF;
  node.extent = static_cast<uint32_t>(count_);
}

bool JsonParser::ReadKey() {
  if (!Take('"')) return Fail("expected a key in double quotes");
  if (!ReadString()) return false;
  SkipSpace();
  return Take(':') || Fail("expected ':' after a key");
}

bool JsonParser::ReadScalar() {
  if (at_ >= text_.size()) return Fail("it ends in the middle of a value");
  switch (text_[at_]) {
    case '"': ++at_; return ReadString();
    case 't': return ReadWord("true", Kind::kTrue);
    case 'f': return ReadWord("false", Kind::kFalse);
    case 'n': return ReadWord("null", Kind::kNull);
    default: return ReadNumber();
  }
}

bool JsonParser::ReadWord(std::string_view word, Kind kind) {
  if (text_.substr(at_, word.size()) != word) return Fail("expected a value");
  Add(kind, at_, word.size());
  at_ += word.size();
  return true;
}

bool JsonParser::ReadString() {
  const size_t start = at_;
  Kind kind = Kind::kPlain;
  while (at_ < text_.size()) {
    const auto c = static_cast<unsigned char>(text_[at_]);
    if (c == '"') {
      Add(kind, start, at_ - start);
      ++at_;
      return true;
    }
    if (c == '\\') {
      uint32_t code_point = 0;
      if (!ReadEscape(text_, at_, code_point)) return Fail("a string has a malformed escape");
      kind = Kind::kEscaped;
    } else if (c < 0x20) {
      return Fail("a string has a control character");
    } else if (c < 0x80) {
      ++at_;
    } else {
      const size_t length = Utf8CharLength(text_.substr(at_, 4));
      if (length == 0) return Fail("a string is not valid UTF-8");
      at_ += length;
    }
  }
  return Fail("it ends in the middle of a string");
}

bool JsonParser::ReadNumber() {
  const size_t start = at_;
  const auto digits = [&] {
    const size_t first = at_;
    while (at_ < text_.size() && IsDigit(text_[at_])) ++at_;
    return at_ > first;
  };
  Take('-');
  if (!Take('0') && !digits()) return Fail("expected a value");
  if (Take('.') && !digits()) return Fail("a number is malformed");
  if (Take('e') || Take('E')) {
    if (!Take('+')) Take('-');
    if (!digits()) return Fail("a number is malformed");
  }
  Add(Kind::kNumber, start, at_ - start);
  return true;
}

Result<std::unique_ptr<JsonDocument>> JsonDocument::Parse(std::string text, StatusCode code) {
  if (text.size() > kMaxBytes) return Status(code, "The JSON text is larger than 256 MiB.");
  JsonParser check(text, nullptr);
  if (!check.Run()) {
    return Status(code, "This is not valid JSON: " + std::string(check.problem()) + " (byte " +
                            std::to_string(check.at()) + ").");
  }
  std::unique_ptr<JsonDocument> document(new JsonDocument(std::move(text)));
  document->nodes_.reserve(check.count());
  JsonParser fill(document->text_, &document->nodes_);
  if (!fill.Run()) return Status(StatusCode::kInternal, "JSON changed between two passes.");
  return document;
}

JsonValue JsonDocument::root() const {
  return JsonValue(this, 0, static_cast<uint32_t>(nodes_.size()));
}

const char* JsonValue::TypeName() const {
  if (!exists()) return "nothing";
  switch (kind()) {
    case Kind::kNull: return "null";
    case Kind::kFalse: return "false";
    case Kind::kTrue: return "true";
    case Kind::kNumber: return "a number";
    case Kind::kPlain:
    case Kind::kEscaped: return "a string";
    case Kind::kArray: return "an array";
    case Kind::kObject: return "an object";
  }
  return "nothing";
}

std::optional<bool> JsonValue::AsBool() const {
  if (Is(Kind::kTrue)) return true;
  if (Is(Kind::kFalse)) return false;
  return std::nullopt;
}

namespace {

template <typename T>
std::optional<T> ParseWhole(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<int64_t> JsonValue::AsInt64() const {
  return IsNumber() ? ParseWhole<int64_t>(Source()) : std::nullopt;
}

std::optional<uint64_t> JsonValue::AsUint64() const {
  return IsNumber() ? ParseWhole<uint64_t>(Source()) : std::nullopt;
}

std::optional<double> JsonValue::AsDouble() const {
  if (!IsNumber()) return std::nullopt;
  const auto value = ParseWhole<double>(Source());
  return value && std::isfinite(*value) ? value : std::nullopt;
}

std::string_view JsonValue::Source() const {
  if (!exists() || IsArray() || IsObject()) return {};
  return std::string_view(document_->text_).substr(node().start, node().extent);
}

std::optional<std::string> JsonValue::AsString() const {
  if (Is(Kind::kPlain)) return std::string(Source());
  if (!Is(Kind::kEscaped)) return std::nullopt;
  const std::string_view source = Source();
  std::string out;
  out.reserve(source.size());
  for (size_t at = 0; at < source.size();) {
    if (source[at] != '\\') {
      out += source[at++];
      continue;
    }
    uint32_t code_point = 0;
    if (!ReadEscape(source, at, code_point)) return std::nullopt;
    AppendUtf8(code_point, out);
  }
  return out;
}

bool JsonValue::Equals(std::string_view text) const {
  if (Is(Kind::kPlain)) return Source() == text;
  if (!Is(Kind::kEscaped)) return false;
  // Character by character: a file full of escaped keys must not cost memory per question.
  const std::string_view source = Source();
  for (size_t at = 0; at < source.size();) {
    std::string piece;  // at most 4 bytes, never on the heap
    if (source[at] != '\\') {
      piece = source[at++];
    } else {
      uint32_t code_point = 0;
      if (!ReadEscape(source, at, code_point)) return false;
      AppendUtf8(code_point, piece);
    }
    if (!text.starts_with(piece)) return false;
    text.remove_prefix(piece.size());
  }
  return text.empty();
}

size_t JsonValue::size() const { return IsArray() || IsObject() ? node().start : 0; }

JsonValue JsonValue::First() const {
  if (!(IsArray() || IsObject()) || node().start == 0) return {};
  return JsonValue(document_, index_ + 1, node().extent);
}

JsonValue JsonValue::Next() const {
  if (!exists()) return {};
  const uint32_t next = IsArray() || IsObject() ? node().extent : index_ + 1;
  return next < end_ ? JsonValue(document_, next, end_) : JsonValue();
}

JsonValue JsonValue::Find(std::string_view key) const {
  JsonValue found;
  if (!IsObject()) return found;
  for (JsonValue k = First(); k.exists(); k = k.NextKey()) {
    if (k.Equals(key)) found = k.Value();
  }
  return found;
}

}  // namespace thermocline
