// SentencePiece joins the adjacent pair whose joined piece has the best score; BPE
// joins the pair whose merge comes first. The two agree when every way to split a
// piece into two pieces is a merge, and all merges of a piece stand together in the
// list: then the place of a piece's merges is its score. Both are checked here.
#include <algorithm>
#include <numeric>
#include <string_view>

#include "io/text.h"
#include "io/tokenizer_json.h"

namespace thermocline {
namespace {

using TokenType = VocabularyData::TokenType;

// Pieces are words; longer ones would make the check below expensive.
constexpr size_t kMaxPieceBytes = 256;

Status Unsupported(const std::string& what, const std::string& path) {
  return Status(StatusCode::kTokenizerUnsupported,
                "The merges of this tokenizer.json are not those of a SentencePiece model: " +
                    what + ".",
                path);
}

// Ids by text, without another copy of the texts.
class PieceIndex {
 public:
  explicit PieceIndex(const std::vector<std::string>& tokens)
      : tokens_(tokens), order_(tokens.size()) {
    std::iota(order_.begin(), order_.end(), 0U);
    std::sort(order_.begin(), order_.end(),
              [&](uint32_t a, uint32_t b) { return tokens_[a] < tokens_[b]; });
  }

  int64_t Find(std::string_view text) const {
    const auto at = std::lower_bound(
        order_.begin(), order_.end(), text,
        [&](uint32_t id, std::string_view wanted) { return tokens_[id] < wanted; });
    return at != order_.end() && tokens_[*at] == text ? static_cast<int64_t>(*at) : -1;
  }

 private:
  const std::vector<std::string>& tokens_;
  std::vector<uint32_t> order_;
};

uint64_t PairKey(int64_t left, int64_t right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint64_t>(right);
}

}  // namespace

Status MergesToScores(VocabularyData& data, const std::string& path) {
  const PieceIndex pieces(data.tokens);
  const float none = -static_cast<float>(data.merges.size()) - 1.0F;
  data.scores.assign(data.tokens.size(), none);
  std::vector<uint64_t> pairs;
  pairs.reserve(data.merges.size());
  int64_t previous = -1;
  for (size_t rank = 0; rank < data.merges.size(); ++rank) {
    const std::string_view merge = data.merges[rank];
    const size_t space = merge.find(' ');
    const std::string joined(std::string(merge.substr(0, space)).append(merge.substr(space + 1)));
    const int64_t left = pieces.Find(merge.substr(0, space));
    const int64_t right = pieces.Find(merge.substr(space + 1));
    const int64_t piece = pieces.Find(joined);
    if (left < 0 || right < 0 || piece < 0) {
      return Unsupported("merge " + Quoted(merge) + " names a piece that is not in the vocabulary",
                         path);
    }
    pairs.push_back(PairKey(left, right));
    float& score = data.scores[static_cast<size_t>(piece)];
    if (piece != previous && score != none) {
      return Unsupported("the merges of " + Quoted(joined) + " do not stand together", path);
    }
    if (score == none) score = -static_cast<float>(rank);
    previous = piece;
  }
  std::sort(pairs.begin(), pairs.end());

  const auto is_plain = [&](int64_t id) {
    return id >= 0 && data.types[static_cast<size_t>(id)] == TokenType::kNormal;
  };
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    if (data.types[id] != TokenType::kNormal) continue;
    const std::string_view text = data.tokens[id];
    if (text.size() > kMaxPieceBytes) return Unsupported("a piece is too long", path);
    for (size_t cut = Utf8CharLength(text); cut > 0 && cut < text.size();
         cut += std::max<size_t>(Utf8CharLength(text.substr(cut)), 1)) {
      const int64_t left = pieces.Find(text.substr(0, cut));
      if (!is_plain(left)) continue;
      const int64_t right = pieces.Find(text.substr(cut));
      if (!is_plain(right)) continue;
      if (!std::binary_search(pairs.begin(), pairs.end(), PairKey(left, right))) {
        return Unsupported("the piece " + Quoted(text) + " lacks a merge", path);
      }
    }
  }
  data.merges.clear();
  data.merges.shrink_to_fit();
  return Status::Ok();
}

}  // namespace thermocline
