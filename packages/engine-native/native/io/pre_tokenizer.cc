#include "io/pre_tokenizer.h"

#include <array>
#include <string_view>
#include <vector>

#include "io/text.h"

namespace thermocline {
namespace {

// A pre-tokenizer is written down as a list of steps, one short line each, and looked
// up among the lists below: two files that split alike give the same lines.
std::string DescribeStep(JsonValue step) {
  const JsonValue type = step.Find("type");
  if (type.Equals("ByteLevel")) {
    std::string line = "ByteLevel";
    if (step.Find("use_regex").AsBool().value_or(true)) line += "+words";
    // Absent means true in the format, but then spaces would be added to text.
    if (step.Find("add_prefix_space").AsBool().value_or(true)) line += "+prefix";
    return line;
  }
  if (type.Equals("Digits")) {
    return step.Find("individual_digits").AsBool().value_or(false) ? "Digits 1" : "Digits";
  }
  if (type.Equals("Punctuation")) {
    return "Punctuation " + step.Find("behavior").AsString().value_or("Isolated");
  }
  if (type.Equals("Split")) {
    const bool inverted = step.Find("invert").AsBool().value_or(false);
    const auto behavior = step.Find("behavior").AsString().value_or("");
    const JsonValue pattern = step.Find("pattern");
    const auto regex = pattern.Find("Regex").AsString();
    const auto text = pattern.Find("String").AsString();
    return "Split " + behavior + (inverted ? " inverted " : " ") +
           (regex ? "/" + *regex + "/" : Quoted(text.value_or("")));
  }
  return Printable(type.Source(), 40);
}

constexpr std::string_view kContractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
constexpr std::string_view kBehindNumbers =
    R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLetters = R"(|[^\r\n\p{L}\p{N}]?\p{L}+)";

std::string WordsAndNumbers(std::string_view numbers) {
  return "Split Isolated /" + std::string(kContractions) + std::string(kLetters) +
         std::string(numbers) + std::string(kBehindNumbers) + "/";
}

bool IsDeepseekLlm(const std::vector<std::string>& steps) {
  // The second class lists some 1,200 characters, and files differ in how they are
  // normalised; its beginning identifies it.
  return steps.size() == 7 && (steps[0] == "Split Isolated /[\r\n]/" || steps[0] == "Split Isolated /[\\r\\n]/") &&
         steps[1].starts_with("Split Isolated /\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿ") &&
         steps[2] == "Split Isolated /\\s?[!-/:-~！-／：-～‘-‟　-。]+/" &&
         steps[3] == "Split Isolated /\\s+$/" && steps[4] == "Split Isolated /[一-龥ࠀ-一가-퟿]+/" &&
         steps[5] == "Digits 1" && steps[6] == "ByteLevel";
}

std::string Lookup(const std::vector<std::string>& steps) {
  using Steps = std::vector<std::string>;
  if (steps == Steps{"ByteLevel+words"}) return "gpt-2";
  if (steps == Steps{WordsAndNumbers("|\\p{N}{1,3}"), "ByteLevel"}) return "llama-bpe";
  if (steps == Steps{WordsAndNumbers("|\\p{N}"), "ByteLevel"}) return "qwen2";
  if (steps == Steps{"Digits 1", "ByteLevel+words"}) return "starcoder";
  if (steps == Steps{"Punctuation Contiguous", "ByteLevel+words", "Digits",
                     "Split Isolated /[0-9][0-9][0-9]/"}) {
    return "falcon";
  }
  if (IsDeepseekLlm(steps)) return "deepseek-llm";
  return "";
}

}  // namespace

PreTokenizerName RecognisePreTokenizer(JsonValue value) {
  constexpr size_t kMaxSteps = 16;
  std::vector<std::string> steps;
  const JsonValue list = value.Find("pretokenizers");
  if (value.Find("type").Equals("Sequence") && list.IsArray() && list.size() <= kMaxSteps) {
    for (JsonValue step = list.First(); step.exists(); step = step.Next()) {
      steps.push_back(DescribeStep(step));
    }
  } else if (value.IsObject()) {
    steps.push_back(DescribeStep(value));
  }
  PreTokenizerName name;
  name.known = Lookup(steps);
  if (!name.known.empty()) return name;
  for (const std::string& step : steps) {
    if (!name.description.empty()) name.description += ", ";
    name.description += Printable(step, 80);
  }
  if (name.description.empty()) name.description = "none";
  return name;
}

}  // namespace thermocline
