#include "tokenizer/sentence_piece_tokenizer.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "tokenizer/unicode.h"

namespace thermocline {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

// Parts beyond this are cut, so that positions fit 32 bits and memory is bounded.
constexpr size_t kMaxPartBytes = 4 << 20;

// The byte that "<0x0A>" names, -1 for another text.
int ByteOfName(std::string_view name) {
  if (name.size() != 6 || !name.starts_with("<0x") || name[5] != '>') return -1;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  const int high = digit(name[3]);
  const int low = digit(name[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// Maps scores to unsigned numbers of the opposite order, for the merge queue.
// REQUIRES: not a NaN.
uint32_t PriorityOfScore(float score) {
  const auto bits = std::bit_cast<uint32_t>(score + 0.0F);  // -0 becomes +0
  const uint32_t ascending = bits & 0x80000000U ? ~bits : bits | 0x80000000U;
  return ~ascending;
}

bool HasSpaceAfterText(std::string_view token) {
  size_t at = 0;
  while (token.substr(at).starts_with(kSpaceMark)) at += kSpaceMark.size();
  return token.find(kSpaceMark, at) != std::string_view::npos;
}

// Where the word that starts at `at` ends: at the next U+2581 that follows something else.
size_t WordEnd(std::string_view text, size_t at) {
  while (text.substr(at).starts_with(kSpaceMark)) at += kSpaceMark.size();
  return std::min(text.find(kSpaceMark, at), text.size());
}

std::string TrimAndCollapseSpaces(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out.push_back(c);
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

}  // namespace

SentencePieceTokenizer::SentencePieceTokenizer(std::unique_ptr<VocabularyData> data)
    : VocabularyTokenizer(std::move(data)), words_are_independent_(true) {
  byte_tokens_.fill(-1);
  for (size_t id = 0; id < data_->tokens.size(); ++id) {
    const std::string& text = data_->tokens[id];
    if (data_->types[id] == TokenType::kByte) {
      const int byte = ByteOfName(text);
      if (byte < 0) continue;
      TokenId& token = byte_tokens_[static_cast<size_t>(byte)];
      if (token < 0) token = static_cast<TokenId>(id);
    } else if (HasSpaceAfterText(text)) {
      words_are_independent_ = false;
    }
  }
}

std::string SentencePieceTokenizer::Normalize(std::string_view text, bool starts) const {
  std::string collapsed;
  if (data_->remove_extra_whitespace) {
    collapsed = TrimAndCollapseSpaces(text);
    text = collapsed;
  }
  std::string marked;
  if (text.empty()) return marked;
  marked.reserve(text.size() + text.size() / 2 + kSpaceMark.size());
  if (data_->add_space_prefix && starts) marked.append(kSpaceMark);
  for (const char c : text) {
    if (c == ' ') {
      marked.append(kSpaceMark);
    } else {
      marked.push_back(c);
    }
  }
  return marked;
}

void SentencePieceTokenizer::EncodePlain(std::string_view text, bool starts,
                                         std::vector<TokenId>* out) const {
  const std::string marked = Normalize(text, starts);
  const std::string_view view = marked;
  MergeScratch scratch;
  // Where no token reaches over the start of a word, merging word by word gives
  // the same tokens as merging the whole text, and stays in the cache.
  for (size_t at = 0; at < view.size();) {
    size_t end = words_are_independent_ ? WordEnd(view, at) : view.size();
    end = std::min(end, at + kMaxPartBytes);
    EncodePart(view.substr(at, end - at), scratch, out);
    at = end;
  }
}

void SentencePieceTokenizer::EncodePart(std::string_view part, MergeScratch& scratch,
                                        std::vector<TokenId>* out) const {
  auto& symbols = scratch.symbols;
  symbols.clear();
  for (uint32_t at = 0; at < part.size();) {
    const Char c = CharAt(part, at);
    const uint32_t end = at + (c.valid ? c.length : 1);
    symbols.push_back({c.valid ? index_.Find(part.substr(at, c.length)) : -1, at, end, 0, 0});
    at = end;
  }
  MergeSymbols(scratch, [&](const Symbol& left, const Symbol& right) {
    const int32_t token = index_.Find(part.substr(left.begin, right.end - left.begin));
    if (token < 0) return Merge{};
    return Merge{PriorityOfScore(data_->scores[static_cast<size_t>(token)]), token};
  });
  for (const Symbol& symbol : symbols) {
    if (symbol.begin == symbol.end) continue;
    if (symbol.token >= 0) {
      out->push_back(symbol.token);
    } else {
      AppendBytes(part.substr(symbol.begin, symbol.end - symbol.begin), out);
    }
  }
}

// A character without a token: its bytes if all have tokens, else "unknown".
void SentencePieceTokenizer::AppendBytes(std::string_view bytes, std::vector<TokenId>* out) const {
  const auto token_of = [this](char c) { return byte_tokens_[static_cast<unsigned char>(c)]; };
  const bool spelled =
      std::all_of(bytes.begin(), bytes.end(), [&](char c) { return token_of(c) >= 0; });
  if (spelled) {
    for (const char c : bytes) out->push_back(token_of(c));
  } else if (data_->unk >= 0) {
    out->push_back(static_cast<TokenId>(data_->unk));
  }
}

std::string SentencePieceTokenizer::PlainBytes(TokenId id) const {
  const std::string& text = data_->tokens[static_cast<size_t>(id)];
  if (type(id) == TokenType::kByte) {
    const int byte = ByteOfName(text);
    return byte < 0 ? std::string() : std::string(1, static_cast<char>(byte));
  }
  std::string bytes;
  for (size_t at = 0; at < text.size();) {
    const size_t mark = std::min(text.find(kSpaceMark, at), text.size());
    bytes.append(text, at, mark - at);
    if (mark < text.size()) bytes.push_back(' ');
    at = mark + kSpaceMark.size();
  }
  return bytes;
}

Result<std::unique_ptr<Tokenizer>> CreateSentencePieceTokenizer(
    std::unique_ptr<VocabularyData> data, const std::string& path) {
  if (data->scores.size() != data->tokens.size()) {
    return Status(StatusCode::kModelCorrupt,
                  "The vocabulary has " + std::to_string(data->tokens.size()) + " tokens but " +
                      std::to_string(data->scores.size()) + " scores.",
                  path);
  }
  const bool ordered = std::none_of(data->scores.begin(), data->scores.end(),
                                    [](float score) { return std::isnan(score); });
  if (!ordered) {
    return Status(StatusCode::kModelCorrupt, "A score of the vocabulary is not a number.", path);
  }
  return std::unique_ptr<Tokenizer>(std::make_unique<SentencePieceTokenizer>(std::move(data)));
}

}  // namespace thermocline
