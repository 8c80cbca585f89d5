#include "io/artifact_reader.h"

#include <algorithm>
#include <cmath>

#include "io/text.h"

namespace thermocline {
namespace {

constexpr int64_t kMagnitudeBins = 256;

std::string InLayer(int64_t layer) { return " in layer " + std::to_string(layer); }

Result<LayerActivations> ReadActivations(const Artifact& artifact, int64_t layer, int64_t n_ff) {
  const auto name = [&](const char* field) { return Artifact::LayerTensor(layer, field); };
  const auto has = [&](const char* field) { return artifact.file().Find(name(field)) != nullptr; };
  LayerActivations result;
  ASSIGN_OR_RETURN(const auto tokens, artifact.Read<int64_t>(name("tokens"), "I64", {1}));
  result.tokens = tokens[0];
  ASSIGN_OR_RETURN(result.fires, artifact.Read<int64_t>(name("fires"), "I64", {n_ff}));
  for (const int64_t count : result.fires) {
    if (count < 0 || count > result.tokens) {
      return artifact.Corrupt("a neuron fired " + std::to_string(count) + " times in " +
                              std::to_string(result.tokens) + " tokens" + InLayer(layer));
    }
  }
  for (auto [field, sums] : {std::pair{"abs_sum", &result.abs_sum},
                             std::pair{"contribution", &result.contribution}}) {
    if (!has(field)) continue;
    ASSIGN_OR_RETURN(*sums, artifact.Read<double>(name(field), "F64", {n_ff}));
    for (const double sum : *sums) {
      if (!std::isfinite(sum) || sum < 0) {
        return artifact.Corrupt(std::string(field) + " has a number that is no sum" +
                                InLayer(layer));
      }
    }
  }
  if (has("magnitudes")) {
    ASSIGN_OR_RETURN(result.magnitudes,
                     artifact.Read<int64_t>(name("magnitudes"), "I64", {kMagnitudeBins}));
    if (*std::min_element(result.magnitudes.begin(), result.magnitudes.end()) < 0) {
      return artifact.Corrupt("magnitudes has a negative count" + InLayer(layer));
    }
  }
  return result;
}

Result<LayerPlacement> ReadPlacement(const Artifact& artifact, int64_t layer, int64_t n_ff) {
  LayerPlacement result;
  ASSIGN_OR_RETURN(result.order, artifact.Read<uint32_t>(Artifact::LayerTensor(layer, "order"),
                                                         "U32", {n_ff}));
  ASSIGN_OR_RETURN(const auto ends, artifact.Read<uint32_t>(
                                        Artifact::LayerTensor(layer, "tier_end"), "U32", {2}));
  result.gpu_end = ends[0];
  result.cpu_end = ends[1];
  if (ends[0] > ends[1] || static_cast<int64_t>(ends[1]) > n_ff) {
    return artifact.Corrupt("the tiers end at " + std::to_string(ends[0]) + " and " +
                            std::to_string(ends[1]) + " of " + std::to_string(n_ff) + " neurons" +
                            InLayer(layer));
  }
  std::vector<bool> placed(static_cast<size_t>(n_ff));
  for (const uint32_t neuron : result.order) {
    if (static_cast<int64_t>(neuron) >= n_ff || placed[neuron]) {
      return artifact.Corrupt("neuron " + std::to_string(neuron) +
                              " does not exist or is placed twice" + InLayer(layer));
    }
    placed[neuron] = true;
  }
  return result;
}

// A 16-bit float whose exponent bits are all set is infinite or not a number.
bool AllFinite(const PredictorMatrix& matrix) {
  if (matrix.type == PredictorType::kI8) return true;
  if (matrix.type == PredictorType::kF32) {
    for (size_t i = 0; i < matrix.values.size(); i += 4) {
      float value = 0;
      std::memcpy(&value, matrix.values.data() + i, 4);
      if (!std::isfinite(value)) return false;
    }
    return true;
  }
  const uint16_t exponent = matrix.type == PredictorType::kF16 ? 0x7C00 : 0x7F80;
  for (size_t i = 0; i < matrix.values.size(); i += 2) {
    uint16_t bits = 0;
    std::memcpy(&bits, matrix.values.data() + i, 2);
    if ((bits & exponent) == exponent) return false;
  }
  return true;
}

bool AllFinite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

Result<PredictorMatrix> ReadMatrix(const Artifact& artifact, const std::string& name) {
  const SafetensorsTensor* tensor = artifact.file().Find(name);
  if (tensor == nullptr) return artifact.Corrupt("the tensor " + Quoted(name) + " is missing");
  PredictorMatrix matrix;
  const std::string_view type = tensor->type->name;
  if (type == "F32") {
    matrix.type = PredictorType::kF32;
  } else if (type == "F16") {
    matrix.type = PredictorType::kF16;
  } else if (type == "BF16") {
    matrix.type = PredictorType::kBF16;
  } else if (type == "I8") {
    matrix.type = PredictorType::kI8;
  } else {
    return artifact.Corrupt("the tensor " + Quoted(name) + " has the type " + tensor->type->name +
                            ", which predictor weights cannot have");
  }
  if (tensor->shape.size() != 2) {
    return artifact.Corrupt("the tensor " + Quoted(name) + " is not a matrix");
  }
  matrix.rows = tensor->shape[0];
  matrix.cols = tensor->shape[1];
  matrix.values.resize(static_cast<size_t>(tensor->bytes));
  RETURN_IF_ERROR(artifact.file().Read(*tensor, 0, matrix.values));
  if (matrix.type == PredictorType::kI8) {
    ASSIGN_OR_RETURN(matrix.scale, artifact.Read<float>(name + "_scale", "F32", {matrix.rows}));
  }
  if (!AllFinite(matrix) || !AllFinite(matrix.scale)) {
    return artifact.Corrupt("the tensor " + Quoted(name) + " has a weight that is not finite");
  }
  return matrix;
}

Result<LayerPredictor> ReadPredictor(const Artifact& artifact, JsonValue description,
                                     int64_t layer) {
  LayerPredictor result;
  const JsonValue kind = description.Find("kind");
  if (kind.Equals("none")) return result;
  if (!kind.Equals("trained") && !kind.Equals("factorised")) {
    return artifact.Corrupt("the predictor has an unknown kind" + InLayer(layer));
  }
  result.kind = kind.Equals("trained") ? LayerPredictor::Kind::kTrained
                                       : LayerPredictor::Kind::kFactorised;
  const JsonValue reads = description.Find("reads");
  result.reads_previous_layer = reads.Equals("previous-layer");
  if ((!result.reads_previous_layer && !reads.Equals("same-layer")) ||
      (result.reads_previous_layer && layer == 0)) {
    return artifact.Corrupt("the predictor reads no hidden state that exists" + InLayer(layer));
  }
  ASSIGN_OR_RETURN(result.down, ReadMatrix(artifact, Artifact::LayerTensor(layer, "down")));
  ASSIGN_OR_RETURN(result.up, ReadMatrix(artifact, Artifact::LayerTensor(layer, "up")));
  const int64_t n_ff = artifact.model().n_ff[static_cast<size_t>(layer)];
  if (result.down.cols != artifact.model().d_model || result.up.rows != n_ff ||
      result.down.rows != result.up.cols || result.down.rows < 1) {
    return artifact.Corrupt("the predictor's matrices do not fit the model" + InLayer(layer));
  }
  const std::string name = Artifact::LayerTensor(layer, "threshold");
  const SafetensorsTensor* threshold = artifact.file().Find(name);
  const int64_t n = threshold != nullptr && threshold->elements() == 1 ? 1 : n_ff;
  ASSIGN_OR_RETURN(result.threshold, artifact.Read<float>(name, "F32", {n}));
  if (!AllFinite(result.threshold)) {
    return artifact.Corrupt("a threshold is not finite" + InLayer(layer));
  }
  return result;
}

}  // namespace

Result<ActivationProfile> ReadActivationProfile(const std::string& path,
                                                const std::string& fingerprint) {
  ASSIGN_OR_RETURN(const Artifact artifact,
                   Artifact::Open(path, ArtifactKind::kActivationProfile, fingerprint));
  ActivationProfile profile{artifact.fingerprint(), artifact.model(), {}};
  for (int64_t i = 0; i < profile.model.layers; ++i) {
    ASSIGN_OR_RETURN(auto layer,
                     ReadActivations(artifact, i, profile.model.n_ff[static_cast<size_t>(i)]));
    profile.layers.push_back(std::move(layer));
  }
  return profile;
}

Result<PlacementPlan> ReadPlacementPlan(const std::string& path, const std::string& fingerprint) {
  ASSIGN_OR_RETURN(const Artifact artifact,
                   Artifact::Open(path, ArtifactKind::kPlacementPlan, fingerprint));
  PlacementPlan plan{artifact.fingerprint(), artifact.model(), {}, {}};
  ASSIGN_OR_RETURN(const auto budget, artifact.MetadataJson("budget_bytes"));
  for (auto [tier, bytes] : {std::pair{"gpu", &plan.budget_bytes.gpu},
                             std::pair{"cpu", &plan.budget_bytes.cpu},
                             std::pair{"flash", &plan.budget_bytes.flash}}) {
    const auto value = budget->root().Find(tier).AsUint64();
    if (!value) return artifact.Corrupt(std::string("budget_bytes has no number for ") + tier);
    *bytes = *value;
  }
  for (int64_t i = 0; i < plan.model.layers; ++i) {
    ASSIGN_OR_RETURN(auto layer,
                     ReadPlacement(artifact, i, plan.model.n_ff[static_cast<size_t>(i)]));
    plan.layers.push_back(std::move(layer));
  }
  return plan;
}

Result<PredictorSet> ReadPredictorSet(const std::string& path, const std::string& fingerprint) {
  ASSIGN_OR_RETURN(const Artifact artifact,
                   Artifact::Open(path, ArtifactKind::kPredictorSet, fingerprint));
  PredictorSet set{artifact.fingerprint(), artifact.model(), {}};
  ASSIGN_OR_RETURN(const auto document, artifact.MetadataJson("predictors"));
  const JsonValue descriptions = document->root();
  if (!descriptions.IsArray() ||
      descriptions.size() != static_cast<size_t>(set.model.layers)) {
    return artifact.Corrupt("the metadata \"predictors\" do not describe each layer");
  }
  int64_t i = 0;
  for (JsonValue d = descriptions.First(); d.exists(); d = d.Next(), ++i) {
    ASSIGN_OR_RETURN(auto layer, ReadPredictor(artifact, d, i));
    set.layers.push_back(std::move(layer));
  }
  return set;
}

}  // namespace thermocline
