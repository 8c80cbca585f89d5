// What the three artifacts have in common: safetensors files whose metadata say what
// they are and which model they were made for. The formats are described in
// docs/formats.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "io/safetensors_reader.h"
#include "util/status.h"

namespace thermocline {

enum class ArtifactKind { kActivationProfile, kPlacementPlan, kPredictorSet };

const char* ArtifactFormatName(ArtifactKind kind);  // "thermocline.placement-plan"

// The part of the `model` metadata that the core needs to check tensors against.
struct ArtifactModel {
  std::string arch;
  int64_t layers = 0;
  int64_t d_model = 0;
  std::vector<int64_t> n_ff;  // [layers], those of all experts together
  int64_t experts = 1;
};

class Artifact {
 public:
  // `fingerprint` is that of the model at hand; empty: any model will do.
  // kArtifactFormat, kArtifactVersion, kArtifactModelMismatch or kArtifactCorrupt.
  static Result<Artifact> Open(const std::string& path, ArtifactKind kind,
                               const std::string& fingerprint);

  const std::string& path() const { return file_.file().path(); }
  const std::string& fingerprint() const { return *file_.FindMetadata("fingerprint"); }
  const ArtifactModel& model() const { return model_; }
  const SafetensorsFile& file() const { return file_; }

  // A JSON text of the metadata; kArtifactCorrupt when absent or malformed.
  Result<std::unique_ptr<JsonDocument>> MetadataJson(const char* key) const;

  // "layers.3.order" for (3, "order").
  static std::string LayerTensor(int64_t layer, const char* name);

  // The whole tensor. kArtifactCorrupt when it is absent or has another type or shape.
  template <typename T>
  Result<std::vector<T>> Read(const std::string& name, const char* type,
                              const std::vector<int64_t>& shape) const {
    ASSIGN_OR_RETURN(const SafetensorsTensor* tensor, Require(name, type, shape));
    static_assert(std::is_trivially_copyable_v<T>);
    if (tensor->bytes != static_cast<uint64_t>(tensor->elements()) * sizeof(T)) {
      return Status(StatusCode::kInternal, "A tensor was read as the wrong type.", path());
    }
    std::vector<T> values(static_cast<size_t>(tensor->elements()));
    RETURN_IF_ERROR(file_.Read(*tensor, 0, std::as_writable_bytes(std::span(values))));
    return values;
  }

  Status Corrupt(const std::string& what) const;

 private:
  Result<const SafetensorsTensor*> Require(const std::string& name, const char* type,
                                           const std::vector<int64_t>& shape) const;
  Status ReadModel();
  Status CheckLayerNames() const;

  SafetensorsFile file_;
  ArtifactModel model_;
};

}  // namespace thermocline
