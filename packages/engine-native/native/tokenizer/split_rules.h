// The scanners behind the pre-tokenizers. Each is one regular expression of a
// published tokenizer, given beside it; `\s`, `\p{L}` and so on are Unicode.
#pragma once

#include "tokenizer/pre_tokenizer.h"

namespace thermocline {

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
Match FindGpt2Word(std::string_view piece, size_t from);

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}
// | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
Match FindLlama3Word(std::string_view piece, size_t from);

// The same with \p{N} alone.
Match FindQwen2Word(std::string_view piece, size_t from);

// The same as Qwen2 with [\p{L}\p{M}]+ for words and [^\s\p{L}\p{M}\p{N}]+ for symbols.
Match FindQwen35Word(std::string_view piece, size_t from);

// [!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*
// |\s*[\r\n]+|\s+(?!\S)|\s+
Match FindDeepseekV3Word(std::string_view piece, size_t from);

Match FindNumber(std::string_view piece, size_t from);            // \p{N}
Match FindNumbers(std::string_view piece, size_t from);           // \p{N}+
Match FindUpToThreeNumbers(std::string_view piece, size_t from);  // \p{N}{1,3}
Match FindThreeDigits(std::string_view piece, size_t from);       // [0-9]{3}
Match FindNewline(std::string_view piece, size_t from);           // [\r\n]
Match FindTrailingSpaces(std::string_view piece, size_t from);    // \s+$

Match FindFalconPunctuation(std::string_view piece, size_t from);   // [\p{P}$+<=>^~|`]+
Match FindDefaultPunctuation(std::string_view piece, size_t from);  // [\p{P}$+<=>^~|]+
Match FindSpacedLetters(std::string_view piece, size_t from);       // \s?\p{L}+
Match FindSpacedPunctuation(std::string_view piece, size_t from);   // \s?\p{P}+

Match FindDeepseekWord(std::string_view piece, size_t from);         // \s?[cased letters]+
Match FindDeepseekPunctuation(std::string_view piece, size_t from);  // \s?[ASCII, wide, quotes]+
Match FindCjk(std::string_view piece, size_t from);         // [U+0800-U+9FA5, U+AC00-U+D7FF]+
Match FindCjkAndKana(std::string_view piece, size_t from);  // [U+4E00-U+9FA5, U+3040-U+30FF]+

}  // namespace thermocline
