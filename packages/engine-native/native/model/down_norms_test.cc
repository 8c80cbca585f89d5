#include "model/down_norms.h"

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "backends/neuron_layout.h"
#include "model/tiny_model.h"
#include "model/weights.h"
#include "tiers/weight_loader.h"
#include "util/testing.h"

namespace thermocline {
namespace {

constexpr DType kTypes[] = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ8_0,
                            DType::kQ4_0, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

struct Opened {
  std::unique_ptr<ModelFile> file;
  std::vector<std::vector<FfnBlockSource>> blocks;
};

Opened OpenBlocks(const TinyModel& model) {
  const TemporaryFile path("norms.gguf");
  EXPECT_OK(WriteTinyModel(model, path.path()));
  Opened opened;
  auto file = OpenModelFile(path.path());
  EXPECT_OK(file);
  if (!file.ok()) return opened;
  opened.file = std::move(*file);
  const auto hyperparameters = opened.file->hyperparameters();
  EXPECT_OK(hyperparameters);
  const auto plan = WeightPlan::Make(*opened.file, *hyperparameters);
  EXPECT_OK(plan);
  if (plan.ok()) opened.blocks = plan->ffn_blocks();
  return opened;
}

constexpr uint32_t kNeurons[] = {0, 1, 31, 32, 150, 287};

// The lengths of what each of kNeurons alone adds to the output when its activation is 1.
std::vector<double> LengthsOfOutputs(const FfnBlockSource& block) {
  const DType type = block.down->type;
  const auto scales = block.neuron_major ? NeuronScales::kOwn : NeuronScales::kShared;
  std::vector<std::byte> data(
      static_cast<size_t>(NeuronMatrixBytes(type, scales, block.n_neurons, block.d_model)));
  const NeuronMatrix down =
      MakeNeuronMatrix(type, scales, block.n_neurons, block.d_model, data.data());
  EXPECT_OK(block.neuron_major
                ? LoadNeuronRows(*block.file, *block.down, block.first_neuron, block.n_neurons, nullptr,
                                 data.data())
                : LoadNeurons(*block.file, *block.down, block.first_neuron, block.n_neurons, nullptr,
                              down, data.data()));
  std::vector<double> lengths;
  for (const uint32_t row : kNeurons) {
    const uint32_t position = 0;
    const float h = 1;
    std::vector<float> y(static_cast<size_t>(block.d_model), 0.0F);
    ReferenceKernels().accumulate_neurons(down, {&row, &position, 1}, &h, y.data());
    double squares = 0;
    for (const float v : y) squares += static_cast<double>(v) * static_cast<double>(v);
    lengths.push_back(std::sqrt(squares));
  }
  return lengths;
}

TEST(DownNorms, AreTheLengthsOfWhatANeuronAdds) {
  // opt has biases, which do not count
  for (const auto& [arch, neuron_major] : {std::pair("llama", false), {"opt", false},
                                           {"llama", true}, {"opt", true}}) {
    for (const DType type : kTypes) {
      if (neuron_major && IsKQuant(type)) continue;
      TinyModel model = TinyModelOf(type);
      model.arch = arch;
      model.neuron_major = neuron_major;
      if (model.arch == "opt") model.kv_heads = model.heads;
      const Opened opened = OpenBlocks(model);
      for (const char* kernels : {"auto", "scalar"}) {
        const auto norms = LoadDownNorms(opened.blocks, *SelectKernels(kernels), nullptr);
        ASSERT_OK(norms);
        ASSERT_EQ(norms->size(), 2U);
        for (size_t l = 0; l < 2; ++l) {
          ASSERT_EQ((*norms)[l].size(), static_cast<size_t>(model.n_ff));
          const std::vector<double> expected = LengthsOfOutputs(opened.blocks[l][0]);
          for (size_t i = 0; i < expected.size(); ++i) {
            EXPECT_TRUE(expected[i] > 0);
            EXPECT_NEAR((*norms)[l][kNeurons[i]], expected[i], 1e-6 * expected[i]);
          }
        }
      }
    }
  }
}

TEST(DownNorms, FollowBlocksThatShareATensor) {
  for (const auto& [type, neuron_major] : {std::pair(DType::kF32, false), {DType::kQ4_0, false},
                                           {DType::kQ4_0, true}}) {
    TinyModel model;
    model.type = type;
    model.neuron_major = neuron_major;
    Opened opened = OpenBlocks(model);
    const auto whole = LoadDownNorms(opened.blocks, ReferenceKernels(), nullptr);
    ASSERT_OK(whole);
    for (auto& layer : opened.blocks) {
      FfnBlockSource second = layer[0];
      layer[0].n_neurons = 96;
      second.first_neuron = 96;
      second.n_neurons = 288 - 96;
      layer.push_back(second);
    }
    const auto cut = LoadDownNorms(opened.blocks, ReferenceKernels(), nullptr);
    ASSERT_OK(cut);
    EXPECT_TRUE(*cut == *whole);
  }
}

TEST(DownNorms, CanBeAborted) {
  const Opened opened = OpenBlocks({});
  int asked = 0;
  const auto stop = [&asked] { return ++asked == 2; };  // between the two layers
  EXPECT_STATUS(LoadDownNorms(opened.blocks, ReferenceKernels(), stop), StatusCode::kAborted);
}

}  // namespace
}  // namespace thermocline
