// A Hugging Face folder (config.json, safetensors weights, tokenizer.json) as a
// ModelFile with the canonical tensor names. What is read from which file is
// described in docs/formats/huggingface.md.
#pragma once

#include <memory>
#include <string>

#include "io/json.h"
#include "io/model_file.h"
#include "util/status.h"

namespace thermocline {

Result<std::unique_ptr<ModelFile>> OpenHuggingFace(const std::string& folder, OpenPurpose purpose);

// The parts of the reader. `config` is the root of config.json.
Result<std::string> HuggingFaceArchitecture(JsonValue config, const std::string& path);
bool HuggingFaceTiesEmbeddings(JsonValue config);
Result<Hyperparameters> ReadHuggingFaceHyperparameters(JsonValue config, const ModelFile& file);
Result<VocabularyData> ReadHuggingFaceVocabulary(const std::string& folder, JsonValue config);

// Reads and parses a JSON file of the folder; its root is an object.
Result<std::unique_ptr<JsonDocument>> ReadJsonFile(const std::string& path);

}  // namespace thermocline
