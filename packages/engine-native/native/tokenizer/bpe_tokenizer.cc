#include "tokenizer/bpe_tokenizer.h"

#include <algorithm>
#include <bit>

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/unicode.h"

namespace thermocline {
namespace {

// A longer word is cut there, so that positions fit 32 bits and the working
// memory of one word stays bounded. Real words never come near it.
constexpr size_t kMaxWordBytes = 4 << 20;

std::string SpellBytes(std::string_view bytes) {
  std::string spelled;
  spelled.reserve(bytes.size() * 2);
  for (const char c : bytes) AppendUtf8(kByteSpelling[static_cast<unsigned char>(c)], &spelled);
  return spelled;
}

}  // namespace

size_t MergeTable::SlotOf(int32_t left, int32_t right) const {
  uint64_t key =
      (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
  key *= 0x9E3779B97F4A7C15;  // the golden ratio, as multiplicative hashing wants it
  key ^= key >> 29;
  key *= 0xBF58476D1CE4E5B9;
  size_t at = (key >> 32) & (slots_.size() - 1);
  while (slots_[at].left >= 0 && (slots_[at].left != left || slots_[at].right != right)) {
    at = (at + 1) & (slots_.size() - 1);
  }
  return at;
}

Result<MergeTable> MergeTable::Build(const VocabularyData& data, const TokenIndex& index) {
  MergeTable table;
  const size_t count = data.merges.size();
  table.slots_.resize(std::bit_ceil(count + count / 2 + 2));
  std::string joined;
  for (size_t rank = 0; rank < count; ++rank) {
    // A token may begin with a space of its own, so the first byte never separates.
    const std::string_view merge = data.merges[rank];
    const size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos || space + 1 == merge.size()) {
      return Status(StatusCode::kModelCorrupt, "Merge " + std::to_string(rank) +
                                                   " of the vocabulary is not a pair of tokens.");
    }
    const std::string_view left_text = merge.substr(0, space);
    const std::string_view right_text = merge.substr(space + 1);
    joined.assign(left_text).append(right_text);
    if (!index.Holds(left_text) || !index.Holds(right_text) || !index.Holds(joined)) {
      return Status(StatusCode::kModelCorrupt, "Merge " + std::to_string(rank) +
                                                   " of the vocabulary names a token that the "
                                                   "vocabulary does not hold.");
    }
    const int32_t left = index.Find(left_text);
    const int32_t right = index.Find(right_text);
    const int32_t both = index.Find(joined);
    // A merge from or to a control token says nothing about text.
    if (left < 0 || right < 0 || both < 0) continue;
    Slot& slot = table.slots_[table.SlotOf(left, right)];
    if (slot.left < 0) slot = {left, right, static_cast<uint32_t>(rank), both};
  }
  return table;
}

Merge MergeTable::Find(int32_t left, int32_t right) const {
  const Slot& slot = slots_[SlotOf(left, right)];
  return slot.left < 0 ? Merge{} : Merge{slot.rank, slot.joined};
}

BpeTokenizer::BpeTokenizer(std::unique_ptr<VocabularyData> data, const PreTokenizer* pre_tokenizer)
    : VocabularyTokenizer(std::move(data)), pre_tokenizer_(pre_tokenizer) {
  for (uint32_t byte = 0; byte < 256; ++byte) {
    std::string spelled;
    AppendUtf8(kByteSpelling[byte], &spelled);
    const TokenId id = index_.Find(spelled);
    // A user-defined "ö" stands for that letter, not for byte F6.
    const bool is_byte = id >= 0 && (byte < 0x80 || type(id) == TokenType::kNormal);
    byte_tokens_[byte] = is_byte ? id : -1;
  }
  for (const unsigned byte : {0xEFU, 0xBFU, 0xBDU}) replacement_.push_back(byte_tokens_[byte]);
  const TokenId whole = index_.Find(SpellBytes("\xEF\xBF\xBD"));
  if (whole >= 0) {
    replacement_ = {whole};
  } else if (std::find(replacement_.begin(), replacement_.end(), -1) != replacement_.end()) {
    replacement_.clear();
    if (data_->unk >= 0) replacement_.push_back(static_cast<TokenId>(data_->unk));
  }
}

Status BpeTokenizer::BuildMerges() {
  ASSIGN_OR_RETURN(merges_, MergeTable::Build(*data_, index_));
  // Megabytes of text that the table has made redundant.
  std::vector<std::string>().swap(data_->merges);
  return Status::Ok();
}

void BpeTokenizer::EncodePlain(std::string_view text, bool /*starts*/,
                               std::vector<TokenId>* out) const {
  MergeScratch scratch;
  SplitIntoWords(*pre_tokenizer_, text, [&](std::string_view word) {
    for (size_t at = 0; at < word.size(); at += kMaxWordBytes) {
      EncodeWord(word.substr(at, kMaxWordBytes), scratch, out);
    }
  });
}

void BpeTokenizer::EncodeWord(std::string_view word, MergeScratch& scratch,
                              std::vector<TokenId>* out) const {
  if (data_->ignore_merges) {
    const TokenId whole = word.size() <= index_.longest() ? index_.Find(SpellBytes(word)) : -1;
    if (whole >= 0) return out->push_back(whole);
  }

  auto& symbols = scratch.symbols;
  symbols.clear();
  for (uint32_t i = 0; i < word.size(); ++i) {
    symbols.push_back({byte_tokens_[static_cast<unsigned char>(word[i])], i, i + 1, 0, 0});
  }
  MergeSymbols(scratch, [this](const Symbol& left, const Symbol& right) {
    if (left.token < 0 || right.token < 0) return Merge{};
    return merges_.Find(left.token, right.token);
  });
  for (const Symbol& symbol : symbols) {
    if (symbol.begin == symbol.end) continue;
    if (symbol.token >= 0) {
      out->push_back(symbol.token);
    } else {
      out->insert(out->end(), replacement_.begin(), replacement_.end());
    }
  }
}

std::string BpeTokenizer::PlainBytes(TokenId id) const {
  const std::string& text = data_->tokens[static_cast<size_t>(id)];
  std::string bytes;
  for (size_t at = 0; at < text.size();) {
    const Char c = CharAt(text, at);
    if (c.valid && c.code < kSpelledByte.size() && kSpelledByte[c.code] >= 0) {
      bytes.push_back(static_cast<char>(kSpelledByte[c.code]));
    } else {
      bytes.append(text, at, c.length);  // a token outside the byte alphabet is plain text
    }
    at += c.length;
  }
  return bytes;
}

Result<std::unique_ptr<Tokenizer>> CreateBpeTokenizer(std::unique_ptr<VocabularyData> data,
                                                      const std::string& path) {
  if (!data->unknown_pre_tokenizer.empty()) {
    return Status(StatusCode::kTokenizerUnsupported,
                  "The pre-tokenizer '" + data->unknown_pre_tokenizer + "' is not supported.",
                  path);
  }
  if (data->pre_tokenizer.empty()) {
    return Status(StatusCode::kTokenizerUnsupported,
                  "The file does not say which pre-tokenizer its vocabulary needs (key "
                  "tokenizer.ggml.pre); convert the model again with a current converter.",
                  path);
  }
  const PreTokenizer* const pre_tokenizer = FindPreTokenizer(data->pre_tokenizer);
  if (pre_tokenizer == nullptr) {
    return Status(StatusCode::kTokenizerUnsupported,
                  "The pre-tokenizer '" + data->pre_tokenizer + "' is not supported.", path);
  }
  auto tokenizer = std::make_unique<BpeTokenizer>(std::move(data), pre_tokenizer);
  Status status = tokenizer->BuildMerges();
  if (!status.ok()) return std::move(status).WithPath(path);
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

}  // namespace thermocline
