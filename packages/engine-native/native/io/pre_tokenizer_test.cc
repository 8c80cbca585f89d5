#include "io/pre_tokenizer.h"

#include "util/testing.h"

namespace thermocline {
namespace {

PreTokenizerName Recognise(const std::string& json) {
  const auto document = JsonDocument::Parse(json, StatusCode::kModelCorrupt);
  EXPECT_OK(document);
  return document.ok() ? RecognisePreTokenizer((*document)->root()) : PreTokenizerName();
}

std::string Sequence(const std::string& steps) {
  return R"({"type":"Sequence","pretokenizers":[)" + steps + "]}";
}

std::string Split(const std::string& regex) {
  return R"({"type":"Split","pattern":{"Regex":")" + regex +
         R"("},"behavior":"Isolated","invert":false},)";
}

const char kBytes[] = R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false})";
const char kWords[] = R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true})";
const char kHead[] = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|)";
const char kTail[] = R"(| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)";

TEST(PreTokenizerJson, KnownOnes) {
  EXPECT_EQ(Recognise(kWords).known, "gpt-2");
  const std::string head = kHead;
  EXPECT_EQ(Recognise(Sequence(Split(head + "\\\\p{N}{1,3}" + kTail) + kBytes)).known, "llama-bpe");
  EXPECT_EQ(Recognise(Sequence(Split(head + "\\\\p{N}" + kTail) + kBytes)).known, "qwen2");
  EXPECT_EQ(Recognise(Sequence(R"({"type":"Digits","individual_digits":true},)" +
                               std::string(kWords)))
                .known,
            "starcoder");
  EXPECT_EQ(Recognise(Sequence(R"({"type":"Punctuation","behavior":"Contiguous"},)" +
                               std::string(kWords) +
                               R"(,{"type":"Digits","individual_digits":false},)"
                               R"({"type":"Split","pattern":{"Regex":"[0-9][0-9][0-9]"},)"
                               R"("behavior":"Isolated","invert":false})"))
                .known,
            "falcon");
}

TEST(PreTokenizerJson, NearlyKnownOnesAreUnknown) {
  for (const std::string& json :
       {std::string(R"({"type":"ByteLevel","add_prefix_space":true})"),
        std::string(R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false})"),
        std::string("null"), std::string(R"({"type":"Metaspace"})"),
        Sequence(Split("\\\\p{N}") + kBytes), Sequence(Split(kHead) + kWords)}) {
    const PreTokenizerName name = Recognise(json);
    EXPECT_EQ(name.known, "");
    EXPECT_FALSE(name.description.empty());
  }
}

}  // namespace
}  // namespace thermocline
