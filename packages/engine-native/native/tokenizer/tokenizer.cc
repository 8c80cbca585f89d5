#include "tokenizer/tokenizer.h"

#include <limits>
#include <utility>

#include "tokenizer/vocabulary_tokenizer.h"

namespace thermocline {
namespace {

using TokenType = VocabularyData::TokenType;

Status Corrupt(std::string message) {
  return Status(StatusCode::kModelCorrupt, std::move(message));
}

// What every family relies on afterwards.
Status CheckVocabulary(const VocabularyData& data) {
  if (data.tokens.empty()) return Corrupt("The vocabulary has no tokens.");
  if (data.tokens.size() > static_cast<size_t>(std::numeric_limits<TokenId>::max() / 2)) {
    return Corrupt("The vocabulary has too many tokens.");
  }
  if (data.types.size() != data.tokens.size()) {
    return Corrupt("The vocabulary has " + std::to_string(data.tokens.size()) + " tokens but " +
                   std::to_string(data.types.size()) + " token types.");
  }
  for (size_t id = 0; id < data.types.size(); ++id) {
    if (data.types[id] < TokenType::kNormal || data.types[id] > TokenType::kByte) {
      return Corrupt("Token " + std::to_string(id) + " has the unknown type " +
                     std::to_string(static_cast<int>(data.types[id])) + ".");
    }
  }
  // The padding id is left out: it is never used, and files in use have it beyond the end.
  const std::pair<const char*, int64_t> special[] = {
      {"BOS", data.bos}, {"EOS", data.eos}, {"unknown", data.unk}, {"end-of-turn", data.eot}};
  for (const auto& [name, id] : special) {
    if (id >= static_cast<int64_t>(data.tokens.size())) {
      return Corrupt(std::string("The ") + name + " token is " + std::to_string(id) +
                     ", but the vocabulary ends at " + std::to_string(data.tokens.size() - 1) +
                     ".");
    }
  }
  return Status::Ok();
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::Create(VocabularyData data, const std::string& path) {
  if (data.kind == VocabularyData::Kind::kNone) {
    return Status(StatusCode::kTokenizerUnsupported, "The file has no vocabulary that we read.",
                  path);
  }
  if (data.types.empty()) data.types.assign(data.tokens.size(), TokenType::kNormal);
  Status status = CheckVocabulary(data);
  if (!status.ok()) return std::move(status).WithPath(path);

  auto kept = std::make_unique<VocabularyData>(std::move(data));
  return kept->kind == VocabularyData::Kind::kBpe
             ? CreateBpeTokenizer(std::move(kept), path)
             : CreateSentencePieceTokenizer(std::move(kept), path);
}

}  // namespace thermocline
