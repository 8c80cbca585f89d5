#include <string>

#include "backends/kernels.h"
#include "util/cpu_features.h"
#include "util/testing.h"

namespace thermocline {
namespace {

TEST(SelectKernels, AutoIsTheFirstSupported) {
  const KernelChoices choices = ListKernels();
  ASSERT_TRUE(choices.count >= 1);
  for (int64_t i = 0; i < choices.count; ++i) {
    const KernelChoice& choice = choices.data[i];
    const Kernels* const set = SelectKernels(choice.name);
    EXPECT_EQ(set != nullptr, choice.supported);
    if (set != nullptr) EXPECT_EQ(std::string(set->name), std::string(choice.name));
    EXPECT_FALSE(std::string(choice.needs).empty());
  }
  const Kernels* const best = SelectKernels("auto");
  ASSERT_TRUE(best != nullptr);
  for (int64_t i = 0; i < choices.count; ++i) {
    if (!choices.data[i].supported || choices.data[i].trade != nullptr) continue;
    EXPECT_EQ(std::string(best->name), std::string(choices.data[i].name));
    break;
  }
}

// What rounds inputs must be asked for.
TEST(SelectKernels, SetsThatRoundInputsSayWhatTheyGiveUp) {
  const KernelChoices choices = ListKernels();
  for (int64_t i = 0; i < choices.count; ++i) {
    const Kernels* const set = SelectKernels(choices.data[i].name);
    if (set == nullptr) continue;
    EXPECT_EQ(set->f32_to_bf16 != nullptr, choices.data[i].trade != nullptr);
  }
  EXPECT_TRUE(SelectKernels("auto")->f32_to_bf16 == nullptr);
}

TEST(SelectKernels, RefusesUnknownNames) {
  EXPECT_TRUE(SelectKernels("sse") == nullptr);
  EXPECT_TRUE(SelectKernels("") == nullptr);
  EXPECT_TRUE(SelectKernels("AVX2") == nullptr);
  EXPECT_TRUE(SelectKernels("scalar") == &ReferenceKernels());
}

TEST(CpuFeatures, WiderSetsImplyNarrower) {
  const CpuFeatures features = DetectCpuFeatures();
  if (features.avx512_bf16) EXPECT_TRUE(features.avx512_vnni);
  if (features.avx512_vnni) EXPECT_TRUE(features.avx512);
  if (features.avx512) EXPECT_TRUE(features.avx2);
  EXPECT_FALSE(CpuModelName().empty());
  const CpuTopology topology = DetectCpuTopology();
  EXPECT_GE(topology.physical, 1);
  EXPECT_GE(topology.logical, topology.physical);
}

}  // namespace
}  // namespace thermocline
