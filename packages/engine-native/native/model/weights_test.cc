#include "model/weights.h"

#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "model/tiny_model.h"
#include "util/testing.h"

namespace thermocline {
namespace {

// What stands first in the file, made another name of the same length.
void Rename(const std::string& path, const std::string& from, const std::string& to) {
  ASSERT_EQ(from.size(), to.size());
  std::ifstream in(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const size_t at = bytes.find(from);
  ASSERT_TRUE(at != std::string::npos);
  bytes.replace(at, from.size(), to);
  std::ofstream(path, std::ios::binary) << bytes;
}

// The plan of a tiny model, in whose file a name is another one.
Result<WeightPlan> PlanOf(const TinyModel& model, const std::string& from, const std::string& to,
                          std::unique_ptr<ModelFile>* file) {
  const TemporaryFile path("packed.gguf");
  EXPECT_OK(WriteTinyModel(model, path.path()));
  Rename(path.path(), from, to);
  ASSIGN_OR_RETURN(*file, OpenModelFile(path.path()));
  ASSIGN_OR_RETURN(const Hyperparameters hyperparameters, (*file)->hyperparameters());
  return WeightPlan::Make(**file, hyperparameters);
}

TinyModel Packed() {
  TinyModel model;
  model.type = DType::kQ4_0;
  model.neuron_major = true;
  return model;
}

TEST(WeightPlan, TakesDownMatricesNeuronByNeuron) {
  std::unique_ptr<ModelFile> file;
  const auto packed = PlanOf(Packed(), "tiny", "tidy", &file);
  ASSERT_OK(packed);
  const FfnBlockSource& block = packed->ffn_blocks()[1][0];
  EXPECT_TRUE(block.neuron_major);
  EXPECT_EQ(block.down->name, "blk.1.ffn_down_t.weight");
  const auto usual = PlanOf({}, "tiny", "tidy", &file);
  ASSERT_OK(usual);
  EXPECT_FALSE(usual->ffn_blocks()[1][0].neuron_major);
}

TEST(WeightPlan, RefusesLayoutsThatAreNotWhatTheFileSays) {
  std::unique_ptr<ModelFile> file;
  const auto expect = [&](const TinyModel& model, const std::string& from, const std::string& to,
                          StatusCode code, const std::string& word) {
    const Status status = PlanOf(model, from, to, &file).status();
    EXPECT_STATUS(status, code);
    EXPECT_NE(status.message().find(word), std::string::npos);
  };
  expect(Packed(), "neuron-major", "neuron-minor", StatusCode::kModelUnsupported, "neuron-minor");
  // Without the key; with it and not the tensor; with both tensors; with neither.
  expect(Packed(), "thermocline.layout", "thermocline.outlay", StatusCode::kModelCorrupt,
         "thermocline.layout");
  expect(Packed(), "blk.1.ffn_down_t.weight", "blk.1.ffn_down_u.weight", StatusCode::kModelCorrupt,
         "ffn_down_t.weight' is missing");
  expect(Packed(), "blk.1.ffn_norm.weight", "blk.0.ffn_down.weight", StatusCode::kModelCorrupt,
         "has no place");
  expect({}, "blk.1.ffn_down.weight", "blk.1.ffn_dowm.weight", StatusCode::kModelCorrupt,
         "ffn_down.weight' is missing");
  TinyModel k_quants = TinyModelOf(DType::kQ4_K);
  k_quants.neuron_major = true;
  expect(k_quants, "tiny", "tidy", StatusCode::kWeightTypeUnsupported, "Q4_K");
}

}  // namespace
}  // namespace thermocline
