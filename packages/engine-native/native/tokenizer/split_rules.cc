#include "tokenizer/split_rules.h"

#include <algorithm>
#include <iterator>

#include "tokenizer/unicode.h"

namespace thermocline {
namespace {

constexpr unsigned kNeitherWordNorSpace = kAnyClass & ~(kSpaces | kLetters | kNumbers);

bool IsNewline(uint32_t code) { return code == '\r' || code == '\n'; }

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Where an English contraction at `at` ends, or `at`. Its text is ASCII.
size_t MatchContraction(std::string_view piece, size_t at, bool any_case) {
  if (piece[at] != '\'' || at + 1 >= piece.size()) return at;
  const auto letter = [&](size_t i) {
    if (i >= piece.size()) return '\0';
    return any_case ? Lower(piece[i]) : piece[i];
  };
  const char first = letter(at + 1);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
  const char second = letter(at + 2);
  const bool long_form = (first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
                         (first == 'l' && second == 'l');
  return long_form ? at + 3 : at;
}

// \s+(?!\S)|\s+ : a run of spaces leaves its last one to the word that follows.
// REQUIRES: a space at `at`.
size_t MatchSpaces(std::string_view piece, size_t at) {
  size_t last = at;
  size_t end = at;
  while (end < piece.size()) {
    const Char c = CharAt(piece, end);
    if ((ClassBits(c.code) & kSpaces) == 0) break;
    last = end;
    end += c.length;
  }
  return end < piece.size() && last > at ? last : end;
}

// \s*[\r\n]+ before that: as far as the run's last newline. The same REQUIRES.
size_t MatchNewlinesOrSpaces(std::string_view piece, size_t at) {
  size_t after_newline = at;
  for (size_t end = at; end < piece.size();) {
    const Char c = CharAt(piece, end);
    if ((ClassBits(c.code) & kSpaces) == 0) break;
    end += c.length;
    if (IsNewline(c.code)) after_newline = end;
  }
  return after_newline > at ? after_newline : MatchSpaces(piece, at);
}

size_t SkipNewlines(std::string_view piece, size_t at) {
  while (at < piece.size() && IsNewline(static_cast<unsigned char>(piece[at]))) ++at;
  return at;
}

size_t MatchGpt2(std::string_view piece, size_t at) {
  const size_t contraction = MatchContraction(piece, at, false);
  if (contraction != at) return contraction;

  const size_t start = at + (piece[at] == ' ' ? 1 : 0);
  if (start < piece.size()) {
    const unsigned bits = ClassBits(CharAt(piece, start).code);
    if (bits & kLetters) return SkipWhile(piece, start, kLetters);
    if (bits & kNumbers) return SkipWhile(piece, start, kNumbers);
    if (!(bits & kSpaces)) return SkipWhile(piece, start, kNeitherWordNorSpace);
  }
  return MatchSpaces(piece, at);
}

// \p{N}{1,kMax}
template <int kMax>
size_t MatchNumbers(std::string_view piece, size_t at) {
  for (int i = 0; i < kMax && at < piece.size(); ++i) {
    const Char c = CharAt(piece, at);
    if ((ClassBits(c.code) & kNumbers) == 0) break;
    at += c.length;
  }
  return at;
}

// The shape that Llama 3 and Qwen share. `kWord`: what words are made of.
template <unsigned kWord, int kMaxDigits>
size_t MatchModern(std::string_view piece, size_t at) {
  const size_t contraction = MatchContraction(piece, at, true);
  if (contraction != at) return contraction;

  const Char first = CharAt(piece, at);
  const unsigned bits = ClassBits(first.code);
  if (bits & kWord) return SkipWhile(piece, at, kWord);
  if (bits & kNumbers) return MatchNumbers<kMaxDigits>(piece, at);
  if (!IsNewline(first.code)) {
    const size_t after = at + first.length;
    const size_t word = SkipWhile(piece, after, kWord);
    if (word != after) return word;
  }
  const size_t start = at + (first.code == ' ' ? 1 : 0);
  const size_t end = SkipWhile(piece, start, kAnyClass & ~(kSpaces | kWord | kNumbers));
  if (end != start) return SkipNewlines(piece, end);
  return MatchNewlinesOrSpaces(piece, at);
}

bool IsAsciiLetter(char c) { return Lower(c) >= 'a' && Lower(c) <= 'z'; }

size_t MatchDeepseekV3(std::string_view piece, size_t at) {
  const Char first = CharAt(piece, at);
  const unsigned bits = ClassBits(first.code);
  if (first.code < 128 && (bits & (kPunctuation | kSymbols))) {
    size_t end = at + 1;
    while (end < piece.size() && IsAsciiLetter(piece[end])) ++end;
    if (end != at + 1) return end;
  }
  if (!(bits & (kLetters | kPunctuation | kSymbols)) && !IsNewline(first.code)) {
    const size_t after = at + first.length;
    const size_t word = SkipWhile(piece, after, kLetters | kMarks);
    if (word != after) return word;
  }
  if (bits & (kLetters | kMarks)) return SkipWhile(piece, at, kLetters | kMarks);
  const size_t start = at + (first.code == ' ' ? 1 : 0);
  const size_t end = SkipWhile(piece, start, kPunctuation | kSymbols);
  if (end != start) return SkipNewlines(piece, end);
  return bits & kSpaces ? MatchNewlinesOrSpaces(piece, at) : at;
}

struct CodeRange {
  uint32_t first, last;
};

bool InRanges(uint32_t code, std::span<const CodeRange> ranges) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), code,
                                      [](uint32_t c, const CodeRange& r) { return c < r.first; });
  return after != ranges.begin() && code <= std::prev(after)->last;
}

template <const auto& kRanges>
size_t SkipRanges(std::string_view piece, size_t at) {
  while (at < piece.size()) {
    const Char c = CharAt(piece, at);
    if (!InRanges(c.code, kRanges)) break;
    at += c.length;
  }
  return at;
}

// The cased letters that the expression of DeepSeek LLM lists. It looks like
// \p{Lu}|\p{Ll}|\p{Lt} but leaves out blocks (Georgian, Latin Extended-E, ...).
constexpr CodeRange kDeepseekLetters[] = {
    {0x41, 0x5A},       {0x61, 0x7A},       {0xB5, 0xB5},       {0xC0, 0xD6},
    {0xD8, 0xF6},       {0xF8, 0x1BA},      {0x1BC, 0x1BF},     {0x1C4, 0x293},
    {0x295, 0x2AF},     {0x370, 0x373},     {0x376, 0x377},     {0x37B, 0x37D},
    {0x37F, 0x37F},     {0x386, 0x386},     {0x388, 0x38A},     {0x38C, 0x38C},
    {0x38E, 0x3A1},     {0x3A3, 0x3F5},     {0x3F7, 0x481},     {0x48A, 0x52F},
    {0x531, 0x556},     {0x10A0, 0x10C5},   {0x13A0, 0x13F5},   {0x13F8, 0x13FD},
    {0x1C90, 0x1CBA},   {0x1CBD, 0x1CBF},   {0x1D00, 0x1D2B},   {0x1D6B, 0x1D77},
    {0x1D79, 0x1D9A},   {0x1E00, 0x1F15},   {0x1F18, 0x1F1D},   {0x1F20, 0x1F45},
    {0x1F48, 0x1F4D},   {0x1F50, 0x1F57},   {0x1F59, 0x1F59},   {0x1F5B, 0x1F5B},
    {0x1F5D, 0x1F5D},   {0x1F5F, 0x1F7D},   {0x1F80, 0x1FB4},   {0x1FB6, 0x1FBC},
    {0x1FBE, 0x1FBE},   {0x1FC2, 0x1FC4},   {0x1FC6, 0x1FCC},   {0x1FD0, 0x1FD3},
    {0x1FD6, 0x1FDB},   {0x1FE0, 0x1FEC},   {0x1FF2, 0x1FF4},   {0x1FF6, 0x1FFC},
    {0x2102, 0x2102},   {0x2107, 0x2107},   {0x210A, 0x2113},   {0x2115, 0x2115},
    {0x2119, 0x211D},   {0x2124, 0x2124},   {0x2126, 0x2126},   {0x2128, 0x2128},
    {0x212A, 0x212D},   {0x212F, 0x2134},   {0x2139, 0x2139},   {0x213C, 0x213F},
    {0x2145, 0x2149},   {0x214E, 0x214E},   {0x2183, 0x2184},   {0x2C00, 0x2C7B},
    {0x2C7E, 0x2CE4},   {0x2CEB, 0x2CEE},   {0x2CF2, 0x2CF3},   {0xA640, 0xA66D},
    {0xA680, 0xA69B},   {0xA722, 0xA76F},   {0xA771, 0xA787},   {0xA78B, 0xA78E},
    {0xAB70, 0xABBF},   {0xFB00, 0xFB06},   {0xFB13, 0xFB17},   {0xFF21, 0xFF3A},
    {0xFF41, 0xFF5A},   {0x10400, 0x1044F}, {0x104B0, 0x104D3}, {0x104D8, 0x104FB},
    {0x10C80, 0x10CB2}, {0x10CC0, 0x10CF2}, {0x118A0, 0x118DF}, {0x1E900, 0x1E943}};

// `:-~` is meant as punctuation but spans the letters too; words are cut before it.
constexpr CodeRange kDeepseekPunctuation[] = {{0x21, 0x2F},     {0x3A, 0x7E},     {0x2018, 0x201F},
                                              {0x3000, 0x3002}, {0xFF01, 0xFF0F}, {0xFF1A, 0xFF5E}};
constexpr CodeRange kCjk[] = {{0x800, 0x9FA5}, {0xAC00, 0xD7FF}};
constexpr CodeRange kCjkAndKana[] = {{0x3040, 0x30FF}, {0x4E00, 0x9FA5}};

// \s?[ranges]+ ; U+3000 is both a space and in a range, so both readings are tried.
template <size_t (*Skip)(std::string_view, size_t)>
size_t MatchSpaced(std::string_view piece, size_t at) {
  const Char first = CharAt(piece, at);
  if (ClassBits(first.code) & kSpaces) {
    const size_t after = at + first.length;
    const size_t end = Skip(piece, after);
    if (end != after) return end;
  }
  return Skip(piece, at);
}

template <unsigned kClasses>
size_t SkipClasses(std::string_view piece, size_t at) {
  return SkipWhile(piece, at, kClasses);
}

template <bool kBacktick>
size_t SkipFalconPunctuation(std::string_view piece, size_t at) {
  while (at < piece.size()) {
    const Char c = CharAt(piece, at);
    const unsigned bits = ClassBits(c.code);
    const bool symbol = c.code < 128 && (bits & kSymbols) && (kBacktick || c.code != '`');
    if (!symbol && !(bits & kPunctuation)) break;
    at += c.length;
  }
  return at;
}

// The first match of an expression that is tried at every character in turn.
template <size_t (*MatchAt)(std::string_view, size_t)>
Match FindFirst(std::string_view piece, size_t from) {
  while (from < piece.size()) {
    const size_t end = MatchAt(piece, from);
    if (end != from) return {from, end};
    from += CharAt(piece, from).length;
  }
  return {};
}

}  // namespace

Match FindGpt2Word(std::string_view piece, size_t from) {
  return FindFirst<MatchGpt2>(piece, from);
}
Match FindLlama3Word(std::string_view piece, size_t from) {
  return FindFirst<MatchModern<kLetters, 3>>(piece, from);
}
Match FindQwen2Word(std::string_view piece, size_t from) {
  return FindFirst<MatchModern<kLetters, 1>>(piece, from);
}
Match FindQwen35Word(std::string_view piece, size_t from) {
  return FindFirst<MatchModern<kLetters | kMarks, 1>>(piece, from);
}
Match FindDeepseekV3Word(std::string_view piece, size_t from) {
  return FindFirst<MatchDeepseekV3>(piece, from);
}
Match FindNumber(std::string_view piece, size_t from) {
  return FindFirst<MatchNumbers<1>>(piece, from);
}
Match FindUpToThreeNumbers(std::string_view piece, size_t from) {
  return FindFirst<MatchNumbers<3>>(piece, from);
}
Match FindNumbers(std::string_view piece, size_t from) {
  return FindFirst<SkipClasses<kNumbers>>(piece, from);
}

Match FindThreeDigits(std::string_view piece, size_t from) {
  size_t digits = 0;
  for (size_t i = from; i < piece.size(); ++i) {
    digits = piece[i] >= '0' && piece[i] <= '9' ? digits + 1 : 0;
    if (digits == 3) return {i - 2, i + 1};
  }
  return {};
}

Match FindNewline(std::string_view piece, size_t from) {
  const size_t at = piece.find_first_of("\r\n", from);
  return at == std::string_view::npos ? Match{} : Match{at, at + 1};
}

// Goes over each run of spaces once: trying every start in a run would be quadratic.
Match FindTrailingSpaces(std::string_view piece, size_t from) {
  while (from < piece.size()) {
    const size_t end = SkipWhile(piece, from, kSpaces);
    if (end == piece.size()) return {from, end};
    from = SkipWhile(piece, end, kAnyClass & ~kSpaces);
  }
  return {};
}

Match FindFalconPunctuation(std::string_view piece, size_t from) {
  return FindFirst<SkipFalconPunctuation<true>>(piece, from);
}
Match FindDefaultPunctuation(std::string_view piece, size_t from) {
  return FindFirst<SkipFalconPunctuation<false>>(piece, from);
}
Match FindSpacedLetters(std::string_view piece, size_t from) {
  return FindFirst<MatchSpaced<SkipClasses<kLetters>>>(piece, from);
}
Match FindSpacedPunctuation(std::string_view piece, size_t from) {
  return FindFirst<MatchSpaced<SkipClasses<kPunctuation>>>(piece, from);
}
Match FindDeepseekWord(std::string_view piece, size_t from) {
  return FindFirst<MatchSpaced<SkipRanges<kDeepseekLetters>>>(piece, from);
}
Match FindDeepseekPunctuation(std::string_view piece, size_t from) {
  return FindFirst<MatchSpaced<SkipRanges<kDeepseekPunctuation>>>(piece, from);
}
Match FindCjk(std::string_view piece, size_t from) {
  return FindFirst<SkipRanges<kCjk>>(piece, from);
}
Match FindCjkAndKana(std::string_view piece, size_t from) {
  return FindFirst<SkipRanges<kCjkAndKana>>(piece, from);
}

}  // namespace thermocline
