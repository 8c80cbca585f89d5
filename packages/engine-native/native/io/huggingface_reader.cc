#include "io/huggingface_reader.h"

#include <sys/stat.h>

#include <algorithm>

#include "io/file.h"
#include "io/safetensors_reader.h"
#include "io/tensor_names.h"
#include "io/text.h"

namespace thermocline {
namespace {

constexpr size_t kMaxShards = 4096;

bool Exists(const std::string& path) {
  struct stat info = {};
  return ::stat(path.c_str(), &info) == 0;
}

Status Corrupt(const std::string& what, const std::string& path) {
  return Status(StatusCode::kModelCorrupt, "This model folder is damaged: " + what + ".", path);
}

class HuggingFaceModelFile : public ModelFile {
 public:
  HuggingFaceModelFile(std::string folder, std::unique_ptr<JsonDocument> config)
      : folder_(std::move(folder)), config_(std::move(config)) {}

  const std::string& path() const override { return folder_; }
  const std::vector<std::string>& paths() const override { return paths_; }
  const char* container() const override { return "huggingface"; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  Result<Hyperparameters> hyperparameters() const override {
    return ReadHuggingFaceHyperparameters(config_->root(), *this);
  }
  Result<VocabularyData> vocabulary() const override {
    return ReadHuggingFaceVocabulary(folder_, config_->root());
  }
  Result<std::vector<MetadataEntry>> metadata() const override;
  Status Read(const TensorInfo& tensor, uint64_t offset,
              std::span<std::byte> into) const override;
  const File& FileOf(const TensorInfo& tensor) const override {
    return files_[tensor.shard].file();
  }

  Status AddShard(const std::string& path, const std::string& arch, OpenPurpose purpose);
  Status Finish(OpenPurpose purpose);

 private:
  std::string folder_;
  std::unique_ptr<JsonDocument> config_;
  std::vector<std::string> paths_;
  std::vector<SafetensorsFile> files_;  // [paths_.size()]
  std::vector<TensorInfo> tensors_;
};

Status HuggingFaceModelFile::Read(const TensorInfo& tensor, uint64_t offset,
                                  std::span<std::byte> into) const {
  if (tensor.shard >= files_.size() || offset > tensor.bytes ||
      into.size() > tensor.bytes - offset) {
    return Status(StatusCode::kInvalidArgument,
                  "A read reaches past the end of tensor " + Quoted(tensor.name) + ".", folder_);
  }
  return files_[tensor.shard].file().Read(tensor.offset + offset, into);
}

Result<std::vector<MetadataEntry>> HuggingFaceModelFile::metadata() const {
  std::vector<MetadataEntry> list;
  const JsonValue root = config_->root();
  list.reserve(root.size());
  for (JsonValue key = root.First(); key.exists(); key = key.NextKey()) {
    const JsonValue value = key.Value();
    MetadataEntry entry{Printable(key.Source(), 200), value.TypeName(), {}};
    if (value.IsArray() || value.IsObject()) {
      entry.text = std::to_string(value.size()) + (value.size() == 1 ? " entry" : " entries");
    } else {
      entry.text = Printable(value.Source(), 200);
    }
    list.push_back(std::move(entry));
  }
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  return list;
}

Status HuggingFaceModelFile::AddShard(const std::string& path, const std::string& arch,
                                      OpenPurpose purpose) {
  ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Open(path, StatusCode::kModelCorrupt));
  const bool tied = HuggingFaceTiesEmbeddings(config_->root());
  tensors_.reserve(tensors_.size() + file.tensors().size());
  for (const SafetensorsTensor& source : file.tensors()) {
    auto name = CanonicalTensorName(arch, source.name);
    if (!name) {
      if (purpose == OpenPurpose::kLoad) {
        return Status(StatusCode::kModelUnsupported,
                      "The tensor " + Quoted(source.name) + " does not belong to a " + arch +
                          " model as this engine knows it.",
                      path);
      }
      name = source.name;
    }
    // With tied embeddings a stored head is a copy that nobody uses.
    if (name->empty() || (tied && *name == "output.weight")) continue;
    if (source.shape.empty() || source.shape.size() > 4 || source.bytes == 0) {
      return Corrupt("tensor " + Quoted(source.name) + " is empty or has more than 4 dimensions",
                     path);
    }
    if (!source.type->dtype && purpose == OpenPurpose::kLoad) {
      return Status(StatusCode::kWeightTypeUnsupported,
                    "The tensor " + Quoted(source.name) + " has the type " + source.type->name +
                        "; F32, F16 and BF16 are read.",
                    path);
    }
    TensorInfo tensor;
    tensor.name = *std::move(name);
    tensor.readable = source.type->dtype.has_value();
    tensor.type = source.type->dtype.value_or(DType::kF32);
    tensor.type_name = source.type->name;
    tensor.shape = source.shape;
    tensor.bytes = source.bytes;
    tensor.shard = static_cast<uint32_t>(files_.size());
    tensor.offset = source.offset;
    tensors_.push_back(std::move(tensor));
  }
  paths_.push_back(path);
  files_.push_back(std::move(file));
  return Status::Ok();
}

Status HuggingFaceModelFile::Finish(OpenPurpose purpose) {
  std::sort(tensors_.begin(), tensors_.end(),
            [](const TensorInfo& a, const TensorInfo& b) { return a.name < b.name; });
  for (size_t i = 1; i < tensors_.size(); ++i) {
    if (tensors_[i].name == tensors_[i - 1].name) {
      return Corrupt("the tensor " + Quoted(tensors_[i].name) + " occurs twice", folder_);
    }
  }
  if (purpose == OpenPurpose::kLoad && !HuggingFaceTiesEmbeddings(config_->root()) &&
      Find("output.weight") == nullptr) {
    return Corrupt("config.json says that the head is not tied, but lm_head.weight is missing",
                   folder_);
  }
  return Status::Ok();
}

// The shards an index names, each once, sorted. A name must be that of a file in the
// folder itself: an index is data and must not reach anything else.
Result<std::vector<std::string>> ReadShardNames(const std::string& path) {
  ASSIGN_OR_RETURN(const auto document, ReadJsonFile(path));
  const JsonValue map = document->root().Find("weight_map");
  if (!map.IsObject() || map.size() == 0) return Corrupt("weight_map is missing or empty", path);
  std::vector<std::string> names;
  for (JsonValue key = map.First(); key.exists(); key = key.NextKey()) {
    const JsonValue value = key.Value();
    if (!value.IsString()) return Corrupt("weight_map names no file for a tensor", path);
    const auto known = std::find_if(names.rbegin(), names.rend(),
                                    [&](const std::string& name) { return value.Equals(name); });
    if (known != names.rend()) continue;
    std::string name = *value.AsString();
    if (name.find_first_of("/\\") != std::string::npos || name.starts_with('.') ||
        name.find('\0') != std::string::npos || !name.ends_with(".safetensors") ||
        name.size() > 255) {
      return Corrupt("the shard name " + Quoted(name) + " is not that of a file in the folder",
                     path);
    }
    names.push_back(std::move(name));
    if (names.size() > kMaxShards) return Corrupt("it has too many shards", path);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Every tensor that the index lists must be in the shards.
Status CheckIndexIsComplete(const std::string& path, const std::string& arch,
                            const ModelFile& file, bool tied) {
  ASSIGN_OR_RETURN(const auto document, ReadJsonFile(path));
  const JsonValue map = document->root().Find("weight_map");
  for (JsonValue key = map.First(); key.exists(); key = key.NextKey()) {
    const auto name = CanonicalTensorName(arch, *key.AsString());
    if (!name || name->empty() || (tied && *name == "output.weight")) continue;
    if (file.Find(*name) == nullptr) {
      return Corrupt("the tensor " + Quoted(key.Source()) + " of the index is in none of the files",
                     path);
    }
  }
  return Status::Ok();
}

}  // namespace

Result<std::unique_ptr<JsonDocument>> ReadJsonFile(const std::string& path) {
  ASSIGN_OR_RETURN(std::string text,
                   ReadWholeFile(path, JsonDocument::kMaxBytes, StatusCode::kModelCorrupt));
  auto document = JsonDocument::Parse(std::move(text), StatusCode::kModelCorrupt);
  if (!document.ok()) return document.status().WithPath(path);
  if (!document.value()->root().IsObject()) return Corrupt("it is not a JSON object", path);
  return document;
}

Result<std::unique_ptr<ModelFile>> OpenHuggingFace(const std::string& folder,
                                                   OpenPurpose purpose) {
  const std::string config_path = folder + "/config.json";
  if (!Exists(config_path)) {
    return Status(StatusCode::kModelUnsupported,
                  "The folder " + Quoted(folder) +
                      " has no config.json, so it is not a Hugging Face model.",
                  folder);
  }
  ASSIGN_OR_RETURN(auto config, ReadJsonFile(config_path));
  ASSIGN_OR_RETURN(const std::string arch, HuggingFaceArchitecture(config->root(), config_path));
  const JsonValue quantization = config->root().Find("quantization_config");
  if (quantization.IsObject() && purpose == OpenPurpose::kLoad) {
    return Status(StatusCode::kWeightTypeUnsupported,
                  "The weights are quantised with " +
                      Quoted(quantization.Find("quant_method").Source()) +
                      "; of Hugging Face folders only F32, F16 and BF16 weights are read.",
                  config_path);
  }
  const bool tied = HuggingFaceTiesEmbeddings(config->root());
  auto model = std::make_unique<HuggingFaceModelFile>(folder, std::move(config));
  const std::string single = folder + "/model.safetensors";
  const std::string index = folder + "/model.safetensors.index.json";
  if (Exists(single)) {
    RETURN_IF_ERROR(model->AddShard(single, arch, purpose));
  } else if (Exists(index)) {
    ASSIGN_OR_RETURN(const auto names, ReadShardNames(index));
    for (const std::string& name : names) {
      RETURN_IF_ERROR(model->AddShard(folder + "/" + name, arch, purpose));
    }
  } else {
    const bool pickled = Exists(folder + "/pytorch_model.bin") ||
                         Exists(folder + "/pytorch_model.bin.index.json");
    return Status(StatusCode::kFileNotFound,
                  "The folder " + Quoted(folder) + " has no model.safetensors" +
                      (pickled ? "; its pickled weights are not read because they can run code. "
                                 "Convert them to safetensors."
                               : "."),
                  folder);
  }
  RETURN_IF_ERROR(model->Finish(purpose));
  if (!Exists(single)) RETURN_IF_ERROR(CheckIndexIsComplete(index, arch, *model, tied));
  return std::unique_ptr<ModelFile>(std::move(model));
}

}  // namespace thermocline
