#include "io/artifact.h"

#include <algorithm>

#include "io/hyperparameter_checks.h"
#include "io/text.h"

namespace thermocline {
namespace {

constexpr const char* kVersion = "1";

// Compares one text of the metadata; a difference has the code of its kind.
Status RequireText(const SafetensorsFile& file, const char* key, const std::string& expected,
                   StatusCode code, const char* remedy) {
  const std::string* found = file.FindMetadata(key);
  if (found != nullptr && *found == expected) return Status::Ok();
  return Status(code,
                "The " + std::string(key) + " of this artifact is " +
                    (found != nullptr ? Quoted(*found) : "missing") + ", not " +
                    Quoted(expected) + ". " + remedy,
                file.file().path());
}

}  // namespace

const char* ArtifactFormatName(ArtifactKind kind) {
  switch (kind) {
    case ArtifactKind::kActivationProfile: return "thermocline.activation-profile";
    case ArtifactKind::kPlacementPlan: return "thermocline.placement-plan";
    case ArtifactKind::kPredictorSet: return "thermocline.predictor-set";
  }
  return "";
}

std::string Artifact::LayerTensor(int64_t layer, const char* name) {
  return "layers." + std::to_string(layer) + "." + name;
}

Status Artifact::Corrupt(const std::string& what) const {
  return Status(StatusCode::kArtifactCorrupt, "This artifact is damaged: " + what + ".", path());
}

Result<Artifact> Artifact::Open(const std::string& path, ArtifactKind kind,
                                const std::string& fingerprint) {
  Artifact artifact;
  ASSIGN_OR_RETURN(artifact.file_, SafetensorsFile::Open(path, StatusCode::kArtifactCorrupt));
  const SafetensorsFile& file = artifact.file_;
  RETURN_IF_ERROR(RequireText(file, "format", ArtifactFormatName(kind),
                              StatusCode::kArtifactFormat, "Name a file of that format."));
  RETURN_IF_ERROR(RequireText(file, "format_version", kVersion, StatusCode::kArtifactVersion,
                              "Make it again with this release."));
  const std::string* found = file.FindMetadata("fingerprint");
  if (found == nullptr || found->empty()) {
    return artifact.Corrupt("its metadata have no fingerprint");
  }
  if (!fingerprint.empty()) {
    RETURN_IF_ERROR(RequireText(file, "fingerprint", fingerprint,
                                StatusCode::kArtifactModelMismatch,
                                "It was made for another model; make it again for this one."));
  }
  RETURN_IF_ERROR(artifact.ReadModel());
  RETURN_IF_ERROR(artifact.CheckLayerNames());
  return artifact;
}

Result<std::unique_ptr<JsonDocument>> Artifact::MetadataJson(const char* key) const {
  const std::string* text = file_.FindMetadata(key);
  if (text == nullptr) return Corrupt("its metadata have no " + Quoted(key));
  auto document = JsonDocument::Parse(*text, StatusCode::kArtifactCorrupt);
  if (!document.ok()) return document.status().WithPath(path());
  return document;
}

Status Artifact::ReadModel() {
  ASSIGN_OR_RETURN(const auto document, MetadataJson("model"));
  const JsonValue root = document->root();
  const auto count = [&](const char* key, int64_t max, int64_t& value) {
    value = root.Find(key).AsInt64().value_or(0);
    return value >= 1 && value <= max;
  };
  const auto arch = root.Find("arch").AsString();
  if (!arch || !count("layers", kMaxLayers, model_.layers) ||
      !count("d_model", 1 << 20, model_.d_model) || !count("experts", 1 << 16, model_.experts)) {
    return Corrupt("its model lacks arch, layers, d_model or experts, or they are out of range");
  }
  model_.arch = *arch;
  const JsonValue sizes = root.Find("n_ff");
  if (!sizes.IsArray() || sizes.size() != static_cast<size_t>(model_.layers)) {
    return Corrupt("its model's n_ff does not have one number per layer");
  }
  model_.n_ff.reserve(sizes.size());
  for (JsonValue size = sizes.First(); size.exists(); size = size.Next()) {
    const auto n = size.AsInt64();
    if (!n || *n < 1 || *n > (int64_t{1} << 31) || *n % model_.experts != 0) {
      return Corrupt("its model's n_ff has a number that is out of range");
    }
    model_.n_ff.push_back(*n);
  }
  return Status::Ok();
}

// "layers.01.order" or a layer that the model does not have would otherwise be passed
// over in silence.
Status Artifact::CheckLayerNames() const {
  for (const SafetensorsTensor& tensor : file_.tensors()) {
    std::string_view name = tensor.name;
    if (!name.starts_with("layers.")) continue;
    name.remove_prefix(7);
    const std::string_view digits = name.substr(0, name.find('.'));
    int64_t layer = -1;
    if (!digits.empty() && digits.size() <= 6 &&
        digits.find_first_not_of("0123456789") == std::string_view::npos &&
        (digits.size() == 1 || digits[0] != '0')) {
      layer = std::stoll(std::string(digits));
    }
    if (layer < 0 || layer >= model_.layers) {
      return Corrupt("the tensor " + Quoted(tensor.name) + " is of no layer of the model");
    }
  }
  return Status::Ok();
}

Result<const SafetensorsTensor*> Artifact::Require(const std::string& name, const char* type,
                                                   const std::vector<int64_t>& shape) const {
  const SafetensorsTensor* tensor = file_.Find(name);
  if (tensor == nullptr) return Corrupt("the tensor " + Quoted(name) + " is missing");
  if (std::string_view(tensor->type->name) != type || tensor->shape != shape) {
    return Corrupt("the tensor " + Quoted(name) + " does not have the type " + type +
                   " and the shape that the model asks for");
  }
  return tensor;
}

}  // namespace thermocline
