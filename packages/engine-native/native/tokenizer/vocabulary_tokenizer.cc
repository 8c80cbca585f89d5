#include "tokenizer/vocabulary_tokenizer.h"

#include <algorithm>
#include <array>

#include "tokenizer/unicode.h"

namespace thermocline {
namespace {

// Control tokens that end an answer, whatever the file calls EOS. Only tokens of
// the control type count: a text token that looks alike is text.
constexpr std::array<std::string_view, 12> kEndNames = {"<|eot_id|>",
                                                        "<|eom_id|>",
                                                        "<|end_of_text|>",
                                                        "<|im_end|>",
                                                        "<|end|>",
                                                        "<|endoftext|>",
                                                        "<|end_of_turn|>",
                                                        "<end_of_turn>",
                                                        "<|end▁of▁sentence|>",
                                                        "<｜end▁of▁sentence｜>",
                                                        "<EOT>",
                                                        "</s>"};

bool Contains(const std::vector<TokenId>& sorted, TokenId id) {
  return std::binary_search(sorted.begin(), sorted.end(), id);
}

std::vector<TokenId> FindEndTokens(const VocabularyData& data) {
  std::vector<TokenId> ends;
  for (const int64_t id : {data.eos, data.eot}) {
    if (id >= 0) ends.push_back(static_cast<TokenId>(id));
  }
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    if (data.types[id] == VocabularyData::TokenType::kControl &&
        std::find(kEndNames.begin(), kEndNames.end(), data.tokens[id]) != kEndNames.end()) {
      ends.push_back(static_cast<TokenId>(id));
    }
  }
  std::sort(ends.begin(), ends.end());
  return ends;
}

// Phi-3 strips white space after most of its special tokens. Its GGUF files do
// not carry that, so the vocabulary is recognised by its placeholder tokens.
std::vector<TokenId> FindStrippingTokens(const VocabularyData& data) {
  if (data.kind != VocabularyData::Kind::kSentencePiece) return {};
  std::vector<TokenId> strip;
  bool phi3 = false;
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    const std::string& text = data.tokens[id];
    if (data.types[id] == VocabularyData::TokenType::kControl) {
      phi3 |= text == "<|placeholder1|>";
      if (text == "<unk>" || text == "<s>" || text == "<|endoftext|>") continue;
      strip.push_back(static_cast<TokenId>(id));
    } else if (data.types[id] == VocabularyData::TokenType::kUserDefined && text == "</s>") {
      strip.push_back(static_cast<TokenId>(id));
    }
  }
  return phi3 ? strip : std::vector<TokenId>{};
}

}  // namespace

VocabularyTokenizer::VocabularyTokenizer(std::unique_ptr<VocabularyData> data)
    : data_(std::move(data)),
      index_(*data_),
      user_defined_(*data_, false),
      all_special_(*data_, true),
      end_of_generation_(FindEndTokens(*data_)),
      strip_right_(FindStrippingTokens(*data_)) {}

std::vector<TokenId> VocabularyTokenizer::Encode(std::string_view text,
                                                 const EncodeOptions& options) const {
  std::vector<TokenId> ids;
  if (options.add_special && adds_bos()) ids.push_back(static_cast<TokenId>(data_->bos));

  const SpecialTokens& specials = options.parse_special ? all_special_ : user_defined_;
  bool starts = true;
  for (size_t at = 0; at < text.size();) {
    const SpecialMatch match = specials.Find(text, at);
    const size_t plain_end = match.token < 0 ? text.size() : match.begin;
    if (plain_end > at) EncodePlain(text.substr(at, plain_end - at), starts, &ids);
    if (match.token < 0) break;
    ids.push_back(match.token);
    starts = true;
    at = Contains(strip_right_, match.token) ? SkipWhile(text, match.end, kSpaces) : match.end;
  }

  if (options.add_special && data_->add_eos && data_->eos >= 0) {
    ids.push_back(static_cast<TokenId>(data_->eos));
  }
  return ids;
}

std::string VocabularyTokenizer::TokenBytes(TokenId id, bool special) const {
  if (!Holds(id)) return {};
  switch (type(id)) {
    case TokenType::kControl:
    case TokenType::kUnknown:
      return special ? data_->tokens[static_cast<size_t>(id)] : std::string();
    case TokenType::kUserDefined:
      return data_->tokens[static_cast<size_t>(id)];
    default:
      return PlainBytes(id);
  }
}

const std::string& VocabularyTokenizer::TokenText(TokenId id) const {
  static const std::string kNothing;
  return Holds(id) ? data_->tokens[static_cast<size_t>(id)] : kNothing;
}

std::string VocabularyTokenizer::Decode(std::span<const TokenId> ids, bool special) const {
  std::string text;
  bool first = true;
  for (const TokenId id : ids) {
    const std::string bytes = TokenBytes(id, special);
    const bool drop = first && DropsFirstSpace() && !IsControl(id) && bytes.starts_with(' ');
    text.append(bytes, drop ? 1 : 0);
    if (!IsControl(id)) first = false;
  }
  return text;
}

bool VocabularyTokenizer::IsControl(TokenId id) const {
  return Holds(id) && type(id) == TokenType::kControl;
}

bool VocabularyTokenizer::IsEndOfGeneration(TokenId id) const {
  return Contains(end_of_generation_, id);
}

bool VocabularyTokenizer::adds_bos() const {
  if (data_->bos < 0) return false;
  if (data_->has_add_bos) return data_->add_bos;
  return data_->kind == VocabularyData::Kind::kSentencePiece;
}

}  // namespace thermocline
