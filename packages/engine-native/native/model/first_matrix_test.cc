#include "model/first_matrix.h"

#include <bit>
#include <cstring>
#include <memory>

#include "model/tiny_model.h"
#include "model/weights.h"
#include "tiers/weight_loader.h"
#include "util/testing.h"

namespace thermocline {
namespace {

const Kernels& kKernels = *SelectKernels("auto");

struct Opened {
  std::unique_ptr<ModelFile> file;
  std::vector<std::vector<FfnBlockSource>> blocks;
};

Opened OpenBlocks(const TinyModel& model) {
  const TemporaryFile path("first.gguf");
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

// What the rows multiply an input to is what the engine's own product gives: weights, order of
// neurons and type are those that it computes with.
TEST(FirstMatrix, IsTheMatrixThatTheEngineMultipliesWith) {
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0,
                           DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    for (const char* arch : {"llama", "opt"}) {
      TinyModel model = TinyModelOf(type);
      model.arch = arch;
      if (model.arch == "opt") model.kv_heads = model.heads;
      const Opened opened = OpenBlocks(model);
      ASSERT_EQ(opened.blocks.size(), 2U);
      const FfnBlockSource& block = opened.blocks[1][0];
      const TensorInfo& tensor = block.gate != nullptr ? *block.gate : *block.up;
      const auto matrix = LoadFirstMatrix(opened.blocks[1], kKernels, nullptr);
      ASSERT_OK(matrix);
      ASSERT_EQ(matrix->weights.size(), static_cast<size_t>(tensor.elements()));
      std::vector<std::byte> bytes(static_cast<size_t>(tensor.bytes));
      ASSERT_OK(opened.file->Read(tensor, 0, bytes));
      if (type == DType::kF32) {
        EXPECT_EQ(std::memcmp(bytes.data(), matrix->weights.data(), bytes.size()), 0);
      }
      if (type == DType::kBF16) {
        for (size_t i = 0; i < matrix->weights.size(); ++i) {
          uint16_t bits = 0;
          std::memcpy(&bits, bytes.data() + 2 * i, 2);
          EXPECT_EQ(matrix->weights[i], std::bit_cast<float>(uint32_t{bits} << 16));
        }
      }
      EXPECT_EQ(matrix->bias.size(), model.arch == "opt" ? static_cast<size_t>(model.n_ff) : 0U);
      if (model.arch == "opt") {
        const auto bias = LoadVector(*opened.file, *block.up_bias);
        ASSERT_OK(bias);
        EXPECT_TRUE(*bias == matrix->bias);
      }
    }
  }
}

TEST(FirstMatrix, StopsWhenAsked) {
  const Opened opened = OpenBlocks({});
  const std::atomic<bool> cancel{true};
  EXPECT_STATUS(LoadFirstMatrix(opened.blocks[0], kKernels, &cancel), StatusCode::kAborted);
}

}  // namespace
}  // namespace thermocline
