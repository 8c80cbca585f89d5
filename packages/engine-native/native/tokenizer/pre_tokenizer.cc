#include "tokenizer/pre_tokenizer.h"

#include <algorithm>

#include "tokenizer/split_rules.h"

namespace thermocline {
namespace {

constexpr SplitRule kGpt2[] = {FindGpt2Word};
constexpr SplitRule kStarcoder[] = {FindNumber, FindGpt2Word};
constexpr SplitRule kFalcon[] = {FindFalconPunctuation, FindGpt2Word, FindThreeDigits};
constexpr SplitRule kDefault[] = {FindDefaultPunctuation, FindGpt2Word, FindNumbers,
                                  FindThreeDigits};
constexpr SplitRule kLlama3[] = {FindLlama3Word};
constexpr SplitRule kQwen2[] = {FindQwen2Word};
constexpr SplitRule kQwen35[] = {FindQwen35Word};
constexpr SplitRule kDeepseekLlm[] = {FindNewline,        FindDeepseekWord, FindDeepseekPunctuation,
                                      FindTrailingSpaces, FindCjk,          FindNumbers};
constexpr SplitRule kDeepseekCoder[] = {FindNewline, FindSpacedLetters, FindSpacedPunctuation,
                                        FindCjk, FindNumber};
constexpr SplitRule kDeepseekV3[] = {FindUpToThreeNumbers, FindCjkAndKana, FindDeepseekV3Word};

// Names in use in model files. Two names share rules where their expressions are equal.
constexpr PreTokenizer kPreTokenizers[] = {
    {"gpt-2", kGpt2},
    {"phi-2", kGpt2},
    {"mpt", kGpt2},
    {"olmo", kGpt2},
    {"jais", kGpt2},
    {"trillion", kGpt2},
    {"granite-docling", kGpt2},
    {"exaone4", kGpt2},
    {"starcoder", kStarcoder},
    {"refact", kStarcoder},
    {"command-r", kStarcoder},
    {"smollm", kStarcoder},
    {"codeshell", kStarcoder},
    {"exaone", kStarcoder},
    {"minerva-7b", kStarcoder},
    {"falcon", kFalcon},
    {"default", kDefault},
    {"llama-bpe", kLlama3},
    {"llama3", kLlama3},
    {"llama-v3", kLlama3},
    {"dbrx", kLlama3},
    {"smaug-bpe", kLlama3},
    {"glm4", kLlama3},
    {"chatglm-bpe", kLlama3},
    {"qwen2", kQwen2},
    {"deepseek-r1-qwen", kQwen2},
    {"stablelm2", kQwen2},
    {"hunyuan", kQwen2},
    {"megrez", kQwen2},
    {"solar-open", kQwen2},
    {"grok-2", kQwen2},
    {"qwen35", kQwen35},
    {"deepseek-llm", kDeepseekLlm},
    {"deepseek-coder", kDeepseekCoder},
    {"deepseek-v3", kDeepseekV3},
    {"hunyuan-dense", kDeepseekV3},
    {"joyai-llm", kDeepseekV3},
};

void Split(std::span<const SplitRule> rules, std::string_view piece, const WordSink& sink) {
  if (piece.empty()) return;
  if (rules.empty()) return sink(piece);
  const auto rest = rules.subspan(1);
  size_t done = 0;
  while (done < piece.size()) {
    const Match match = rules.front()(piece, done);
    if (match.begin == match.end) break;
    Split(rest, piece.substr(done, match.begin - done), sink);
    Split(rest, piece.substr(match.begin, match.end - match.begin), sink);
    done = match.end;
  }
  Split(rest, piece.substr(done), sink);
}

}  // namespace

const PreTokenizer* FindPreTokenizer(std::string_view name) {
  const auto* const end = std::end(kPreTokenizers);
  const auto* const found = std::find_if(std::begin(kPreTokenizers), end,
                                         [name](const PreTokenizer& p) { return p.name == name; });
  return found == end ? nullptr : found;
}

void SplitIntoWords(const PreTokenizer& pre_tokenizer, std::string_view text,
                    const WordSink& sink) {
  Split(pre_tokenizer.rules, text, sink);
}

}  // namespace thermocline
