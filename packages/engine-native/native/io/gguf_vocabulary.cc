// GGUF keys under tokenizer.* to VocabularyData.
#include <cmath>
#include <limits>

#include "io/cursor.h"
#include "io/gguf_reader.h"
#include "io/text.h"

namespace thermocline {
namespace {

constexpr uint64_t kMaxTokenBytes = 65535;
constexpr uint64_t kMaxTokens = 1 << 24;

Status Corrupt(const GgufHeader& header, const std::string& what) {
  return Status(StatusCode::kModelCorrupt, "This vocabulary is damaged: " + what + ".",
                header.file().path());
}

// The array under `key` when it has elements of this type; nullptr when absent.
Result<const GgufEntry*> FindArray(const GgufHeader& header, const char* key, GgufType element) {
  const GgufEntry* entry = header.Find(key);
  if (entry == nullptr) return entry;
  const bool integers = element == GgufType::kI32 && entry->element == GgufType::kU32;
  if (entry->type != GgufType::kArray || (entry->element != element && !integers)) {
    return Corrupt(header, std::string(key) + " is not an array of " + GgufTypeName(element));
  }
  return entry;
}

Result<std::vector<std::string>> ReadStrings(const GgufHeader& header, const GgufEntry& entry) {
  std::vector<std::string> strings(static_cast<size_t>(entry.count));
  Cursor cursor(header.file(), entry.begin, entry.end);
  for (auto& text : strings) {
    if (!cursor.TakeString(text, kMaxTokenBytes)) return cursor.status();
  }
  return strings;
}

Status ReadScores(const GgufHeader& header, VocabularyData& data) {
  ASSIGN_OR_RETURN(const GgufEntry* entry,
                   FindArray(header, "tokenizer.ggml.scores", GgufType::kF32));
  if (entry == nullptr || entry->count != data.tokens.size()) {
    return Corrupt(header, "tokenizer.ggml.scores does not have one score for each token");
  }
  data.scores.resize(data.tokens.size());
  Cursor cursor(header.file(), entry->begin, entry->end);
  for (float& score : data.scores) {
    if (!cursor.Take(score)) return cursor.status();
    if (!std::isfinite(score)) return Corrupt(header, "a token's score is not a finite number");
  }
  return Status::Ok();
}

Status ReadTypes(const GgufHeader& header, VocabularyData& data) {
  using TokenType = VocabularyData::TokenType;
  ASSIGN_OR_RETURN(const GgufEntry* entry,
                   FindArray(header, "tokenizer.ggml.token_type", GgufType::kI32));
  data.types.assign(data.tokens.size(), TokenType::kNormal);
  if (entry == nullptr) return Status::Ok();
  if (entry->count != data.tokens.size()) {
    return Corrupt(header, "tokenizer.ggml.token_type does not have one type for each token");
  }
  Cursor cursor(header.file(), entry->begin, entry->end);
  for (TokenType& type : data.types) {
    int32_t value = 0;
    if (!cursor.Take(value)) return cursor.status();
    if (value < 0 || value > 6) {
      return Corrupt(header, "a token has the unknown type " + std::to_string(value));
    }
    // 0 is "undefined", which some converters write for plain tokens.
    if (value > 0) type = static_cast<TokenType>(value);
  }
  return Status::Ok();
}

Status ReadSpecialIds(const GgufHeader& header, VocabularyData& data) {
  struct Special {
    const char* key;
    int64_t* id;
  };
  for (const Special& special : {Special{"tokenizer.ggml.bos_token_id", &data.bos},
                                 Special{"tokenizer.ggml.eos_token_id", &data.eos},
                                 Special{"tokenizer.ggml.unknown_token_id", &data.unk},
                                 Special{"tokenizer.ggml.padding_token_id", &data.pad},
                                 Special{"tokenizer.ggml.eot_token_id", &data.eot}}) {
    ASSIGN_OR_RETURN(const auto id, header.GetUint(special.key));
    // All ones is how files write "none".
    if (!id || *id == std::numeric_limits<uint32_t>::max()) continue;
    if (*id >= data.tokens.size()) {
      return Corrupt(header, std::string(special.key) + " is " + std::to_string(*id) +
                                 ", outside the " + std::to_string(data.tokens.size()) +
                                 " tokens");
    }
    *special.id = static_cast<int64_t>(*id);
  }
  return Status::Ok();
}

Status ReadFlags(const GgufHeader& header, VocabularyData& data) {
  ASSIGN_OR_RETURN(const auto add_bos, header.GetBool("tokenizer.ggml.add_bos_token"));
  ASSIGN_OR_RETURN(const auto add_eos, header.GetBool("tokenizer.ggml.add_eos_token"));
  ASSIGN_OR_RETURN(const auto prefix, header.GetBool("tokenizer.ggml.add_space_prefix"));
  ASSIGN_OR_RETURN(const auto trim, header.GetBool("tokenizer.ggml.remove_extra_whitespaces"));
  ASSIGN_OR_RETURN(const auto chat, header.GetString("tokenizer.chat_template"));
  data.has_add_bos = add_bos.has_value();
  data.add_bos = add_bos.value_or(false);
  data.add_eos = add_eos.value_or(false);
  data.add_space_prefix = prefix.value_or(true);
  data.remove_extra_whitespace = trim.value_or(false);
  data.chat_template = chat.value_or("");
  return Status::Ok();
}

}  // namespace

Result<VocabularyData> ReadGgufVocabulary(const GgufHeader& header) {
  VocabularyData data;
  ASSIGN_OR_RETURN(const GgufEntry* tokens,
                   FindArray(header, "tokenizer.ggml.tokens", GgufType::kString));
  ASSIGN_OR_RETURN(const auto model, header.GetString("tokenizer.ggml.model"));
  if (tokens == nullptr || (model && (*model == "none" || *model == "no_vocab"))) return data;
  if (!model) return Corrupt(header, "the key tokenizer.ggml.model is missing");
  if (*model != "gpt2" && *model != "llama") {
    return Status(StatusCode::kTokenizerUnsupported,
                  "The tokenizer " + Quoted(*model) +
                      " is not supported; gpt2 (byte-level BPE) and llama (SentencePiece) are.",
                  header.file().path());
  }
  if (tokens->count == 0 || tokens->count > kMaxTokens) {
    return Corrupt(header, "it has " + std::to_string(tokens->count) + " tokens");
  }
  ASSIGN_OR_RETURN(data.tokens, ReadStrings(header, *tokens));
  RETURN_IF_ERROR(ReadTypes(header, data));
  RETURN_IF_ERROR(ReadSpecialIds(header, data));
  RETURN_IF_ERROR(ReadFlags(header, data));

  if (*model == "llama") {
    data.kind = VocabularyData::Kind::kSentencePiece;
    RETURN_IF_ERROR(ReadScores(header, data));
    return data;
  }
  data.kind = VocabularyData::Kind::kBpe;
  ASSIGN_OR_RETURN(const auto pre, header.GetString("tokenizer.ggml.pre"));
  data.pre_tokenizer = pre.value_or("");
  // The format has no key for it: it belongs to this family of vocabularies.
  data.ignore_merges = data.pre_tokenizer == "llama-bpe" || data.pre_tokenizer == "llama3" ||
                       data.pre_tokenizer == "llama-v3";
  ASSIGN_OR_RETURN(const GgufEntry* merges,
                   FindArray(header, "tokenizer.ggml.merges", GgufType::kString));
  if (merges == nullptr) return Corrupt(header, "the key tokenizer.ggml.merges is missing");
  ASSIGN_OR_RETURN(data.merges, ReadStrings(header, *merges));
  return data;
}

}  // namespace thermocline
