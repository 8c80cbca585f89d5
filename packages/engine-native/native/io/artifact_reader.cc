#include "io/artifact_reader.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <utility>

#include "io/text.h"

namespace thermocline {
namespace {

constexpr int64_t kMagnitudeBins = 256;
constexpr int64_t kBlockColumns = 32;  // that share a scale in Q8_0 and Q4_0

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

bool AllFinite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

// A 16-bit float whose exponent bits are all set is infinite or not a number.
bool AllFinite(std::span<const uint16_t> values, uint16_t exponent) {
  return std::none_of(values.begin(), values.end(),
                      [exponent](uint16_t bits) { return (bits & exponent) == exponent; });
}

constexpr uint16_t kF16Exponent = 0x7C00;
constexpr uint16_t kBF16Exponent = 0x7F80;

bool AllFinite(const PredictorMatrix& matrix) {
  // Vectors of bytes are aligned for every element type.
  const auto* const data = matrix.values.data();
  switch (matrix.type) {
    case PredictorType::kF32:
      return AllFinite({reinterpret_cast<const float*>(data), matrix.values.size() / 4});
    case PredictorType::kF16:
    case PredictorType::kBF16:
      return AllFinite({reinterpret_cast<const uint16_t*>(data), matrix.values.size() / 2},
                       matrix.type == PredictorType::kF16 ? kF16Exponent : kBF16Exponent);
    case PredictorType::kI8: return AllFinite(matrix.scale);
    case PredictorType::kQ8_0:
    case PredictorType::kQ4_0: return AllFinite(matrix.block_scale, kF16Exponent);
  }
  return false;
}

// Integers are told apart by their scales: one F32 per row, or an F16 per block.
Result<PredictorType> MatrixType(const Artifact& artifact, const SafetensorsTensor& tensor) {
  const std::string_view type = tensor.type->name;
  if (type == "F32") return PredictorType::kF32;
  if (type == "F16") return PredictorType::kF16;
  if (type == "BF16") return PredictorType::kBF16;
  if (type == "U8") return PredictorType::kQ4_0;
  if (type == "I8") {
    const SafetensorsTensor* scale = artifact.file().Find(tensor.name + "_scale");
    const bool in_blocks = scale != nullptr && std::string_view(scale->type->name) == "F16";
    return in_blocks ? PredictorType::kQ8_0 : PredictorType::kI8;
  }
  return artifact.Corrupt("the tensor " + Quoted(tensor.name) + " has the type " +
                          tensor.type->name + ", which predictor weights cannot have");
}

Result<PredictorMatrix> ReadMatrix(const Artifact& artifact, const std::string& name) {
  const SafetensorsTensor* tensor = artifact.file().Find(name);
  if (tensor == nullptr) return artifact.Corrupt("the tensor " + Quoted(name) + " is missing");
  PredictorMatrix matrix;
  ASSIGN_OR_RETURN(matrix.type, MatrixType(artifact, *tensor));
  if (tensor->shape.size() != 2) {
    return artifact.Corrupt("the tensor " + Quoted(name) + " is not a matrix");
  }
  matrix.rows = tensor->shape[0];
  matrix.cols = tensor->shape[1] * (matrix.type == PredictorType::kQ4_0 ? 2 : 1);
  const bool in_blocks =
      matrix.type == PredictorType::kQ8_0 || matrix.type == PredictorType::kQ4_0;
  if (in_blocks && matrix.cols % kBlockColumns != 0) {
    return artifact.Corrupt("the tensor " + Quoted(name) + " has " + std::to_string(matrix.cols) +
                            " columns, which cannot be cut into blocks of 32");
  }
  matrix.values.resize(static_cast<size_t>(tensor->bytes));
  RETURN_IF_ERROR(artifact.file().Read(*tensor, 0, matrix.values));
  if (matrix.type == PredictorType::kI8) {
    ASSIGN_OR_RETURN(matrix.scale, artifact.Read<float>(name + "_scale", "F32", {matrix.rows}));
  } else if (in_blocks) {
    ASSIGN_OR_RETURN(matrix.block_scale,
                     artifact.Read<uint16_t>(name + "_scale", "F16",
                                             {matrix.rows, matrix.cols / kBlockColumns}));
  }
  if (!AllFinite(matrix)) {
    return artifact.Corrupt("the tensor " + Quoted(name) + " has a weight that is not finite");
  }
  return matrix;
}

Status ReadLowRank(const Artifact& artifact, int64_t layer, int64_t n_ff,
                   LayerPredictor& predictor) {
  ASSIGN_OR_RETURN(predictor.down, ReadMatrix(artifact, Artifact::LayerTensor(layer, "down")));
  ASSIGN_OR_RETURN(predictor.up, ReadMatrix(artifact, Artifact::LayerTensor(layer, "up")));
  const PredictorMatrix& down = predictor.down;
  const PredictorMatrix& up = predictor.up;
  if (down.cols == artifact.model().d_model && up.rows == n_ff && down.rows == up.cols &&
      down.rows >= 1) {
    return Status::Ok();
  }
  return artifact.Corrupt("the predictor's matrices do not fit the model" + InLayer(layer));
}

Status ReadSigns(const Artifact& artifact, int64_t layer, int64_t n_ff,
                 LayerPredictor& predictor) {
  const int64_t d_model = artifact.model().d_model;
  const int64_t row_bytes = (d_model + 7) / 8;
  ASSIGN_OR_RETURN(predictor.signs,
                   artifact.Read<uint8_t>(Artifact::LayerTensor(layer, "signs"), "U8",
                                          {n_ff, row_bytes}));
  if (!HasStraySigns(predictor.signs, d_model)) return Status::Ok();
  return artifact.Corrupt("a sign is of no column" + InLayer(layer));
}

std::optional<LayerPredictor::Kind> KindNamed(JsonValue name) {
  using Kind = LayerPredictor::Kind;
  constexpr std::pair<const char*, Kind> kNames[] = {{"none", Kind::kNone},
                                                     {"trained", Kind::kTrained},
                                                     {"factorised", Kind::kFactorised},
                                                     {"signs", Kind::kSigns},
                                                     {"gate", Kind::kGate}};
  for (const auto& [known, kind] : kNames) {
    if (name.Equals(known)) return kind;
  }
  return std::nullopt;
}

Result<LayerPredictor> ReadPredictor(const Artifact& artifact, JsonValue description,
                                     int64_t layer) {
  using Kind = LayerPredictor::Kind;
  const auto kind = KindNamed(description.Find("kind"));
  if (!kind) return artifact.Corrupt("the predictor has an unknown kind" + InLayer(layer));
  LayerPredictor result;
  result.kind = *kind;
  if (*kind == Kind::kNone) return result;
  const JsonValue reads = description.Find("reads");
  result.reads_previous_layer = reads.Equals("previous-layer");
  if ((!result.reads_previous_layer && !reads.Equals("same-layer")) ||
      (result.reads_previous_layer && (layer == 0 || *kind == Kind::kGate))) {
    return artifact.Corrupt("the predictor reads no hidden state that it could" + InLayer(layer));
  }
  const int64_t n_ff = artifact.model().n_ff[static_cast<size_t>(layer)];
  if (*kind == Kind::kTrained || *kind == Kind::kFactorised) {
    RETURN_IF_ERROR(ReadLowRank(artifact, layer, n_ff, result));
  } else if (*kind == Kind::kSigns) {
    RETURN_IF_ERROR(ReadSigns(artifact, layer, n_ff, result));
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

bool AllFinite(const LayerPredictor& predictor) {
  return AllFinite(predictor.down) && AllFinite(predictor.up) && AllFinite(predictor.threshold);
}

bool HasStraySigns(const std::vector<uint8_t>& signs, int64_t d_model) {
  const int used = static_cast<int>(d_model % 8);
  if (used == 0) return false;
  const auto row_bytes = static_cast<size_t>((d_model + 7) / 8);
  for (size_t last = row_bytes - 1; last < signs.size(); last += row_bytes) {
    if (signs[last] >> used != 0) return true;
  }
  return false;
}

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
