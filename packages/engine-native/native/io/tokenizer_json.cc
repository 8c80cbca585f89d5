#include "io/tokenizer_json.h"

#include <algorithm>

#include "io/pre_tokenizer.h"
#include "io/text.h"

namespace thermocline {
namespace {

using TokenType = VocabularyData::TokenType;

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581
// Ids may leave gaps (vocabularies are padded to round sizes), but not many.
constexpr size_t kMaxGaps = 4096;
constexpr size_t kMaxTokens = 1 << 24;

Status Corrupt(const std::string& what, const std::string& path) {
  return Status(StatusCode::kModelCorrupt, "This tokenizer.json is damaged: " + what + ".", path);
}

Status Unsupported(const std::string& what, const std::string& path) {
  return Status(StatusCode::kTokenizerUnsupported,
                "The tokenizer in this folder is not supported: " + what + ".", path);
}

// The largest id in use, or nothing when an id is no number of a plausible size.
std::optional<size_t> LargestId(JsonValue vocab, JsonValue added, size_t limit) {
  uint64_t largest = 0;
  const auto take = [&](JsonValue id) {
    const auto n = id.AsUint64();
    if (!n || *n >= limit) return false;
    largest = std::max(largest, *n);
    return true;
  };
  for (JsonValue key = vocab.First(); key.exists(); key = key.NextKey()) {
    if (!take(key.Value())) return std::nullopt;
  }
  for (JsonValue token = added.First(); token.exists(); token = token.Next()) {
    if (!take(token.Find("id"))) return std::nullopt;
  }
  return static_cast<size_t>(largest);
}

Status ReadTokens(JsonValue root, const std::string& path, VocabularyData& data) {
  const JsonValue vocab = root.Find("model").Find("vocab");
  const JsonValue added = root.Find("added_tokens");
  if (!vocab.IsObject() || vocab.size() == 0) return Corrupt("model.vocab is missing", path);
  const size_t limit = std::min(vocab.size() + added.size() + kMaxGaps, kMaxTokens);
  const auto largest = LargestId(vocab, added, limit);
  if (!largest) {
    return Corrupt("a token id is not a number below " + std::to_string(limit), path);
  }
  data.tokens.resize(*largest + 1);
  data.types.assign(*largest + 1, TokenType::kUnused);
  for (JsonValue key = vocab.First(); key.exists(); key = key.NextKey()) {
    const auto id = static_cast<size_t>(*key.Value().AsUint64());
    if (data.types[id] != TokenType::kUnused) {
      return Corrupt("two tokens have the id " + std::to_string(id), path);
    }
    data.tokens[id] = *key.AsString();
    data.types[id] = TokenType::kNormal;
  }
  for (JsonValue token = added.First(); token.exists(); token = token.Next()) {
    const auto id = static_cast<size_t>(*token.Find("id").AsUint64());
    auto content = token.Find("content").AsString();
    if (!content || content->empty()) return Corrupt("an added token has no content", path);
    if (data.types[id] != TokenType::kUnused && data.tokens[id] != *content) {
      return Corrupt("the added token " + Quoted(*content) + " has the id of another", path);
    }
    data.tokens[id] = *std::move(content);
    const bool special = token.Find("special").AsBool().value_or(false);
    data.types[id] = special ? TokenType::kControl : TokenType::kUserDefined;
  }
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    if (data.types[id] == TokenType::kUnused) {
      data.tokens[id] = "<unused id " + std::to_string(id) + ">";
    }
  }
  return Status::Ok();
}

// Older files write a merge as "left right", newer ones as ["left", "right"].
Status ReadMerges(JsonValue merges, const std::string& path, VocabularyData& data) {
  if (!merges.IsArray()) return Corrupt("model.merges is missing", path);
  if (merges.size() > kMaxTokens) return Corrupt("it has too many merges", path);
  data.merges.reserve(merges.size());
  for (JsonValue merge = merges.First(); merge.exists(); merge = merge.Next()) {
    std::string text;
    if (merge.IsArray() && merge.size() == 2) {
      const auto left = merge.First().AsString();
      const auto right = merge.First().Next().AsString();
      if (left && right) text = *left + " " + *right;
    } else if (merge.IsString()) {
      text = *merge.AsString();
    }
    const size_t space = text.find(' ');
    if (space == 0 || space == std::string::npos || space + 1 == text.size() ||
        text.find(' ', space + 1) != std::string::npos) {
      return Corrupt("merge number " + std::to_string(data.merges.size()) +
                         " is not two tokens without spaces",
                     path);
    }
    data.merges.push_back(std::move(text));
  }
  return Status::Ok();
}

// NFC is accepted and not applied: text is nearly always in that form already, and
// GGUF vocabularies made from such tokenizers do not apply it either.
bool IsNfcOrNothing(JsonValue normalizer) {
  if (!normalizer.exists() || normalizer.IsNull()) return true;
  if (normalizer.Find("type").Equals("NFC")) return true;
  if (!normalizer.Find("type").Equals("Sequence")) return false;
  const JsonValue list = normalizer.Find("normalizers");
  for (JsonValue step = list.First(); step.exists(); step = step.Next()) {
    if (!step.Find("type").Equals("NFC")) return false;
  }
  return list.IsArray();
}

bool IsSpaceMarking(JsonValue step) {
  return step.Find("type").Equals("Replace") &&
         step.Find("pattern").Find("String").Equals(" ") &&
         step.Find("content").Equals(kSpaceMark);
}

bool IsPrefix(JsonValue step) {
  return step.Find("type").Equals("Prepend") && step.Find("prepend").Equals(kSpaceMark);
}

// Whether text gets a leading space, or nothing when spaces are treated in another
// way than SentencePiece does.
std::optional<bool> ReadSpaceTreatment(JsonValue root) {
  const JsonValue normalizer = root.Find("normalizer");
  const JsonValue pre = root.Find("pre_tokenizer");
  const bool no_pre = !pre.exists() || pre.IsNull();
  if (normalizer.IsObject() && no_pre) {
    if (IsSpaceMarking(normalizer)) return false;
    const JsonValue first = normalizer.Find("normalizers").First();
    const JsonValue second = first.Next();
    if (IsSpaceMarking(first) && !second.exists()) return false;
    if (IsPrefix(first) && IsSpaceMarking(second) && !second.Next().exists()) return true;
    return std::nullopt;
  }
  if (!normalizer.IsObject() && pre.Find("type").Equals("Metaspace") &&
      pre.Find("replacement").Equals(kSpaceMark) && pre.Find("split").AsBool() == false) {
    const JsonValue scheme = pre.Find("prepend_scheme");
    if (!scheme.exists()) return pre.Find("add_prefix_space").AsBool().value_or(true);
    if (scheme.Equals("first") || scheme.Equals("always")) return true;
    if (scheme.Equals("never")) return false;
  }
  return std::nullopt;
}

void MarkBytesAndUnknown(JsonValue model, VocabularyData& data) {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    const std::string& text = data.tokens[id];
    if (text.size() == 6 && text.starts_with("<0x") && is_hex(text[3]) && is_hex(text[4]) &&
        text[5] == '>') {
      data.types[id] = TokenType::kByte;
    }
  }
  const auto unknown = model.Find("unk_token").AsString();
  if (!unknown) return;
  data.unk = FindToken(data, *unknown);
  if (data.unk >= 0) data.types[static_cast<size_t>(data.unk)] = TokenType::kUnknown;
}

}  // namespace

int64_t FindToken(const VocabularyData& data, const std::string& text) {
  const auto at = std::find(data.tokens.begin(), data.tokens.end(), text);
  return at == data.tokens.end() ? -1 : at - data.tokens.begin();
}

Result<VocabularyData> ReadTokenizerJson(JsonValue root, const std::string& path) {
  const JsonValue model = root.Find("model");
  if (!model.IsObject()) return Corrupt("the key \"model\" is missing", path);
  // Files of early versions leave the type out.
  const JsonValue type = model.Find("type");
  if (type.exists() ? !type.Equals("BPE") : !model.Find("merges").IsArray()) {
    return Unsupported("its model is " + Quoted(type.Source()) + ", and only BPE is read", path);
  }
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const JsonValue value = model.Find(affix);
    if (value.IsString() && !value.Equals("")) {
      return Unsupported(std::string("it has a ") + affix, path);
    }
  }
  if (model.Find("dropout").AsDouble().value_or(0) != 0) {
    return Unsupported("it drops merges at random (dropout)", path);
  }
  VocabularyData data;
  RETURN_IF_ERROR(ReadTokens(root, path, data));
  RETURN_IF_ERROR(ReadMerges(model.Find("merges"), path, data));
  data.ignore_merges = model.Find("ignore_merges").AsBool().value_or(false);

  if (model.Find("byte_fallback").AsBool().value_or(false)) {
    const auto prefix = ReadSpaceTreatment(root);
    if (!prefix) return Unsupported("it treats spaces in a way that is not known", path);
    if (data.ignore_merges) return Unsupported("it has ignore_merges with byte_fallback", path);
    data.kind = VocabularyData::Kind::kSentencePiece;
    data.add_space_prefix = *prefix;
    MarkBytesAndUnknown(model, data);
    RETURN_IF_ERROR(MergesToScores(data, path));
    return data;
  }
  data.kind = VocabularyData::Kind::kBpe;
  const JsonValue normalizer = root.Find("normalizer");
  if (!IsNfcOrNothing(normalizer)) {
    return Unsupported("its normalizer is " + Quoted(normalizer.Find("type").Source()), path);
  }
  PreTokenizerName name = RecognisePreTokenizer(root.Find("pre_tokenizer"));
  data.pre_tokenizer = std::move(name.known);
  data.unknown_pre_tokenizer = std::move(name.description);
  return data;
}

}  // namespace thermocline
