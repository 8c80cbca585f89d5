// tokenizer.json and the files beside it to VocabularyData.
#include <sys/stat.h>

#include "io/file.h"
#include "io/huggingface_reader.h"
#include "io/text.h"
#include "io/tokenizer_json.h"

namespace thermocline {
namespace {

constexpr uint64_t kMaxTemplateBytes = 16 << 20;

bool Exists(const std::string& path) {
  struct stat info = {};
  return ::stat(path.c_str(), &info) == 0;
}

// A JSON file that need not be there.
struct OptionalJson {
  std::unique_ptr<JsonDocument> document;
  JsonValue root() const { return document ? document->root() : JsonValue(); }
};

Result<OptionalJson> ReadOptionalJson(const std::string& path) {
  OptionalJson json;
  if (!Exists(path)) return json;
  ASSIGN_OR_RETURN(json.document, ReadJsonFile(path));
  return json;
}

// tokenizer_config.json names a special token by text, as a string or as an object.
int64_t NamedToken(const VocabularyData& data, JsonValue value) {
  if (value.IsObject()) value = value.Find("content");
  const auto text = value.AsString();
  return text ? FindToken(data, *text) : -1;
}

// config.json and generation_config.json give an id or a list of ids.
int64_t NumberedToken(const VocabularyData& data, JsonValue value) {
  if (value.IsArray()) value = value.First();
  const auto id = value.AsUint64();
  return id && *id < data.tokens.size() ? static_cast<int64_t>(*id) : -1;
}

int64_t SpecialToken(const VocabularyData& data, JsonValue named, JsonValue first,
                     JsonValue second) {
  int64_t id = NamedToken(data, named);
  if (id < 0) id = NumberedToken(data, first);
  if (id < 0) id = NumberedToken(data, second);
  return id;
}

// The further ends that a chat model stops at are listed behind the first.
int64_t EndOfTurn(const VocabularyData& data, JsonValue eos_ids) {
  if (!eos_ids.IsArray()) return -1;
  for (JsonValue value = eos_ids.First(); value.exists(); value = value.Next()) {
    const int64_t id = NumberedToken(data, value);
    if (id >= 0 && id != data.eos) return id;
  }
  return -1;
}

JsonValue FindTemplateProcessor(JsonValue processor) {
  if (processor.Find("type").Equals("TemplateProcessing")) return processor;
  const JsonValue list = processor.Find("processors");
  for (JsonValue step = list.First(); step.exists(); step = step.Next()) {
    if (step.Find("type").Equals("TemplateProcessing")) return step;
  }
  return {};
}

// What is put around text: tokenizer_config.json says so, or else the template does.
void ReadAdditions(JsonValue tokenizer, JsonValue settings, VocabularyData& data) {
  const JsonValue single = FindTemplateProcessor(tokenizer.Find("post_processor")).Find("single");
  if (single.IsArray() && single.size() > 0) {
    const auto special_id = [&](JsonValue item) {
      const auto text = item.Find("SpecialToken").Find("id").AsString();
      return text ? FindToken(data, *text) : -1;
    };
    JsonValue last;
    for (JsonValue item = single.First(); item.exists(); item = item.Next()) last = item;
    data.has_add_bos = true;
    data.add_bos = data.bos >= 0 && special_id(single.First()) == data.bos;
    data.add_eos = data.eos >= 0 && special_id(last) == data.eos && single.size() > 1;
  }
  if (const auto add = settings.Find("add_bos_token").AsBool()) {
    data.has_add_bos = true;
    data.add_bos = *add;
  }
  if (const auto add = settings.Find("add_eos_token").AsBool()) data.add_eos = *add;
}

Result<std::string> ReadChatTemplate(const std::string& folder, JsonValue settings) {
  const JsonValue value = settings.Find("chat_template");
  if (value.IsString()) return *value.AsString();
  for (JsonValue item = value.First(); value.IsArray() && item.exists(); item = item.Next()) {
    const auto text = item.Find("template").AsString();
    if (item.Find("name").Equals("default") && text) return *text;
  }
  const std::string path = folder + "/chat_template.jinja";
  if (!Exists(path)) return std::string();
  ASSIGN_OR_RETURN(std::string text,
                   ReadWholeFile(path, kMaxTemplateBytes, StatusCode::kModelCorrupt));
  if (!IsValidUtf8(text)) {
    return Status(StatusCode::kModelCorrupt, "The chat template is not valid UTF-8.", path);
  }
  return text;
}

}  // namespace

Result<VocabularyData> ReadHuggingFaceVocabulary(const std::string& folder, JsonValue config) {
  const std::string path = folder + "/tokenizer.json";
  if (!Exists(path)) {
    return Status(StatusCode::kTokenizerUnsupported,
                  "The folder " + Quoted(folder) +
                      " has no tokenizer.json; other tokenizer files are not read.",
                  folder);
  }
  ASSIGN_OR_RETURN(const auto document, ReadJsonFile(path));
  ASSIGN_OR_RETURN(VocabularyData data, ReadTokenizerJson(document->root(), path));
  ASSIGN_OR_RETURN(const auto settings_json, ReadOptionalJson(folder + "/tokenizer_config.json"));
  ASSIGN_OR_RETURN(const auto generation_json,
                   ReadOptionalJson(folder + "/generation_config.json"));
  const JsonValue settings = settings_json.root();
  const JsonValue generation = generation_json.root();

  data.bos = SpecialToken(data, settings.Find("bos_token"), config.Find("bos_token_id"),
                          generation.Find("bos_token_id"));
  data.eos = SpecialToken(data, settings.Find("eos_token"), config.Find("eos_token_id"),
                          generation.Find("eos_token_id"));
  data.pad = SpecialToken(data, settings.Find("pad_token"), config.Find("pad_token_id"),
                          generation.Find("pad_token_id"));
  if (data.unk < 0) data.unk = NamedToken(data, settings.Find("unk_token"));
  data.eot = EndOfTurn(data, generation.Find("eos_token_id"));
  if (data.eot < 0) data.eot = EndOfTurn(data, config.Find("eos_token_id"));
  ReadAdditions(document->root(), settings, data);
  ASSIGN_OR_RETURN(data.chat_template, ReadChatTemplate(folder, settings));
  return data;
}

}  // namespace thermocline
