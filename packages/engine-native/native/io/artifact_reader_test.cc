#include "io/artifact_reader.h"

#include <array>
#include <sstream>

#include "io/test_files.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using testing::ReadBytes;
using testing::RepoFile;
using testing::TempFolder;

std::string Golden(const std::string& name) {
  return RepoFile("packages/contracts/fixtures/" + name + ".safetensors");
}

std::string Fnv1a64(std::span<const std::byte> bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const std::byte b : bytes) hash = (hash ^ static_cast<uint64_t>(b)) * 0x100000001b3;
  std::string hex(16, '0');
  for (size_t i = 0; i < 16; ++i) hex[15 - i] = "0123456789abcdef"[(hash >> (4 * i)) & 15];
  return hex;
}

// The TypeScript writer made the files and this list of what is in them.
TEST(Artifacts, GoldenTensors) {
  std::istringstream expected(ReadBytes(RepoFile("packages/contracts/fixtures/expected.txt")));
  std::string name, tensor_name, type, shape, hash;
  int n = 0;
  while (expected >> name >> tensor_name >> type >> shape >> hash) {
    const auto file = SafetensorsFile::Open(RepoFile("packages/contracts/fixtures/" + name),
                                            StatusCode::kArtifactCorrupt);
    ASSERT_OK(file);
    const SafetensorsTensor* tensor = file->Find(tensor_name);
    ASSERT_TRUE(tensor != nullptr);
    EXPECT_EQ(std::string(tensor->type->name), type);
    std::string found_shape;
    for (const int64_t d : tensor->shape) {
      found_shape += (found_shape.empty() ? "" : "x") + std::to_string(d);
    }
    EXPECT_EQ(found_shape, shape);
    std::vector<std::byte> data(tensor->bytes);
    EXPECT_OK(file->Read(*tensor, 0, data));
    EXPECT_EQ(Fnv1a64(data), hash);
    ++n;
  }
  EXPECT_GT(n, 100);
}

TEST(Artifacts, Profile) {
  const auto profile = ReadActivationProfile(Golden("activation-profile"));
  ASSERT_OK(profile);
  EXPECT_EQ(profile->model.arch, "llama");
  ASSERT_EQ(profile->layers.size(), 12U);
  EXPECT_EQ(profile->layers[10].fires.size(), 58U);  // layers go by number, not by text
  EXPECT_EQ(profile->layers[0].magnitudes.size(), 256U);
  EXPECT_TRUE(profile->layers[2].abs_sum.empty());
}

TEST(Artifacts, Plan) {
  const auto plan = ReadPlacementPlan(Golden("placement-plan"));
  ASSERT_OK(plan);
  ASSERT_EQ(plan->layers.size(), 12U);
  EXPECT_EQ(plan->layers[11].order.size(), 63U);
  EXPECT_LE(plan->layers[3].gpu_end, plan->layers[3].cpu_end);
  EXPECT_EQ(plan->budget_bytes.gpu, 8589934592U);
  EXPECT_EQ(plan->budget_bytes.flash, 1099511627776U);
}

TEST(Artifacts, Predictors) {
  using Kind = LayerPredictor::Kind;
  using Type = PredictorType;
  const auto set = ReadPredictorSet(Golden("predictor-set"));
  ASSERT_OK(set);
  ASSERT_EQ(set->layers.size(), 12U);
  constexpr Kind kKinds[] = {Kind::kTrained, Kind::kFactorised, Kind::kTrained, Kind::kFactorised,
                             Kind::kTrained, Kind::kNone,       Kind::kSigns,   Kind::kGate};
  for (size_t i = 0; i < std::size(kKinds); ++i) EXPECT_TRUE(set->layers[i].kind == kKinds[i]);
  constexpr std::pair<size_t, Type> kTypes[] = {{0, Type::kF32},   {1, Type::kF16},
                                                {2, Type::kBF16},  {3, Type::kI8},
                                                {4, Type::kQ8_0},  {11, Type::kQ4_0}};
  for (const auto& [layer, type] : kTypes) {
    const PredictorMatrix& up = set->layers[layer].up;
    EXPECT_TRUE(up.type == type);
    EXPECT_EQ(up.rows, static_cast<int64_t>(8 + 5 * layer));
    EXPECT_EQ(up.cols, 32);
    const bool in_blocks = type == Type::kQ8_0 || type == Type::kQ4_0;
    EXPECT_EQ(up.scale.size(), type == Type::kI8 ? 23U : 0U);
    EXPECT_EQ(up.block_scale.size(), in_blocks ? 8 + 5 * layer : 0U);
  }
  EXPECT_EQ(set->layers[6].signs.size(), 38U * 4U);
  EXPECT_EQ(set->layers[7].threshold.size(), 43U);
  EXPECT_TRUE(set->layers[5].threshold.empty());
  EXPECT_TRUE(set->layers[8].reads_previous_layer);
  EXPECT_FALSE(set->layers[7].reads_previous_layer);
}

// A predictor set of one layer with 2 neurons and d_model 4, whose one predictor is as described
// and whose tensors are U8 [2, 1] signs and an F32 [1] threshold.
std::string SetOfSigns(const std::string& description, const std::string& signs) {
  const std::string quoted_description = [&] {
    std::string out;
    for (const char c : "[" + description + "]") out += c == '"' ? "\\\"" : std::string(1, c);
    return out;
  }();
  const std::string header =
      R"({"__metadata__":{"format":"thermocline.predictor-set","format_version":"1",)"
      R"("fingerprint":"ff","model":"{\"arch\":\"llama\",\"layers\":1,\"d_model\":4,)"
      R"(\"n_ff\":[2],\"experts\":1}","predictors":")" +
      quoted_description +
      R"("},"layers.0.threshold":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
      R"("layers.0.signs":{"dtype":"U8","shape":[2,1],"data_offsets":[4,6]}})";
  std::string bytes(8, '\0');
  const uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + std::string(4, '\0') + signs;
}

TEST(Artifacts, RefusesPredictorsThatCannotBe) {
  const TempFolder folder;
  const auto read = [&](const std::string& description, const std::string& signs) {
    return ReadPredictorSet(folder.Write("set", SetOfSigns(description, signs)));
  };
  const std::string signs = R"({"kind":"signs","reads":"same-layer"})";
  EXPECT_OK(read(signs, "\x0F\x01"));
  const auto corrupt = StatusCode::kArtifactCorrupt;
  EXPECT_STATUS(read(signs, "\x0F\x11"), corrupt);  // a fifth column
  EXPECT_STATUS(read(R"({"kind":"sign","reads":"same-layer"})", "12"), corrupt);
  EXPECT_STATUS(read(R"({"kind":"signs","reads":"previous-layer"})", "\x01\x01"), corrupt);
  EXPECT_STATUS(read(R"({"kind":"signs"})", "\x01\x01"), corrupt);
  EXPECT_STATUS(read(R"({"kind":"trained","reads":"same-layer"})", "\x01\x01"), corrupt);
  EXPECT_OK(read(R"({"kind":"gate","reads":"same-layer"})", "\x01\x01"));
  EXPECT_STATUS(read(R"({"kind":"gate","reads":"previous-layer"})", "\x01\x01"), corrupt);
}

TEST(Artifacts, RefusesOtherFormatsVersionsAndModels) {
  EXPECT_STATUS(ReadPlacementPlan(Golden("predictor-set")), StatusCode::kArtifactFormat);
  EXPECT_STATUS(ReadActivationProfile(Golden("placement-plan")), StatusCode::kArtifactFormat);
  EXPECT_OK(ReadPlacementPlan(Golden("placement-plan"), "00112233445566778899aabbccddeeff"));
  EXPECT_STATUS(ReadPlacementPlan(Golden("placement-plan"), "ff"),
                StatusCode::kArtifactModelMismatch);
  EXPECT_STATUS(ReadPlacementPlan("/nowhere/plan"), StatusCode::kFileNotFound);
  const TempFolder folder;
  std::string bytes = ReadBytes(Golden("placement-plan"));
  const std::string version = R"("format_version":"1")";
  ASSERT_TRUE(bytes.find(version) != std::string::npos);
  bytes[bytes.find(version) + version.size() - 2] = '2';
  EXPECT_STATUS(ReadPlacementPlan(folder.Write("p", bytes)), StatusCode::kArtifactVersion);
}

// Overwrites the first bytes of a tensor and reads the file again.
template <typename T, typename Reader>
Status WithValue(const std::string& name, const std::string& tensor, T value, Reader read) {
  std::string bytes = ReadBytes(Golden(name));
  const auto file = SafetensorsFile::Open(Golden(name), StatusCode::kArtifactCorrupt);
  if (!file.ok() || file->Find(tensor) == nullptr) return Status(StatusCode::kInternal, "setup");
  std::memcpy(bytes.data() + file->Find(tensor)->offset, &value, sizeof(T));
  const TempFolder folder;
  return read(folder.Write("a", bytes)).status();
}

TEST(Artifacts, RefusesValuesThatMakeNoSense) {
  const auto plan = [](const std::string& path) { return ReadPlacementPlan(path); };
  const auto profile = [](const std::string& path) { return ReadActivationProfile(path); };
  const auto set = [](const std::string& path) { return ReadPredictorSet(path); };
  const auto corrupt = StatusCode::kArtifactCorrupt;
  EXPECT_STATUS(WithValue<uint32_t>("placement-plan", "layers.0.order", 8, plan), corrupt);
  std::array<uint32_t, 2> twice = {1, 1};
  EXPECT_STATUS(WithValue("placement-plan", "layers.0.order", twice, plan), corrupt);
  EXPECT_STATUS(WithValue<uint32_t>("placement-plan", "layers.0.tier_end", 9, plan), corrupt);
  EXPECT_STATUS(WithValue<int64_t>("activation-profile", "layers.0.fires", -1, profile), corrupt);
  EXPECT_STATUS(WithValue<int64_t>("activation-profile", "layers.0.tokens", 0, profile), corrupt);
  EXPECT_STATUS(WithValue("activation-profile", "layers.0.abs_sum", std::nan(""), profile),
                corrupt);
  EXPECT_STATUS(WithValue<uint16_t>("predictor-set", "layers.1.down", 0x7C00, set), corrupt);
  for (const char* scale : {"layers.4.up_scale", "layers.11.down_scale"}) {
    EXPECT_STATUS(WithValue<uint16_t>("predictor-set", scale, 0xFE00, set), corrupt);
  }
  EXPECT_STATUS(WithValue<uint32_t>("predictor-set", "layers.3.up_scale", 0x7FC00000, set),
                corrupt);
  EXPECT_STATUS(WithValue<uint32_t>("predictor-set", "layers.0.threshold", 0x7F800000, set),
                corrupt);
}

}  // namespace
}  // namespace thermocline
