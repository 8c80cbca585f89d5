// Which sets this binary holds and which of them this processor runs.
#include <initializer_list>
#include <string_view>
#include <vector>

#include "backends/kernels.h"
#include "util/cpu_features.h"
#if TC_HAS_AVX2
#include "backends/cpu/avx2/avx2.h"
#endif
#if TC_HAS_AVX512
#include "backends/cpu/avx512/avx512.h"
#endif
#if TC_HAS_NEON
#include "backends/cpu/neon/neon.h"
#endif

namespace thermocline {
namespace {

#if TC_HAS_AVX2 || TC_HAS_AVX512 || TC_HAS_NEON
#define TC_REST_OF_SET(set)                                                                  \
  set::Quantize, set::RmsNorm, set::LayerNorm, set::Activate, set::Add, set::Attend,          \
      set::MergeAttention, set::F32ToF16, set::SignScores, set::WidenRow
#endif
#if TC_HAS_AVX512
constexpr Kernels kAvx512Bf16 = {"avx512-bf16", avx512::MatmulBf16, avx512::AccumulateNeuronsVnni,
                                  avx512::AddNeuronsVnni, TC_REST_OF_SET(avx512),
                                  avx512::F32ToBf16};
constexpr Kernels kAvx512Vnni = {"avx512-vnni", avx512::MatmulVnni, avx512::AccumulateNeuronsVnni,
                                  avx512::AddNeuronsVnni, TC_REST_OF_SET(avx512)};
constexpr Kernels kAvx512 = {"avx512", avx512::Matmul, avx512::AccumulateNeurons, avx512::AddNeurons,
                              TC_REST_OF_SET(avx512)};
#endif
#if TC_HAS_AVX2
constexpr Kernels kAvx2 = {"avx2", avx2::Matmul, avx2::AccumulateNeurons, avx2::AddNeurons,
                              TC_REST_OF_SET(avx2)};
#endif
#if TC_HAS_NEON
constexpr Kernels kNeon = {"neon", neon::Matmul, neon::AccumulateNeurons, neon::AddNeurons,
                              TC_REST_OF_SET(neon)};
#endif

struct Entry {
  const Kernels* kernels;
  bool CpuFeatures::*feature;
  const char* needs;
  const char* trade = nullptr;
};

// Best first, but for those that give something up. The reference, which needs nothing, comes last.
constexpr std::initializer_list<Entry> kEntries = {
#if TC_HAS_AVX512
    {&kAvx512Vnni, &CpuFeatures::avx512_vnni, "AVX-512 F, BW, DQ, VL and VNNI"},
    {&kAvx512, &CpuFeatures::avx512, "AVX-512 F, BW, DQ and VL"},
#endif
#if TC_HAS_AVX2
    {&kAvx2, &CpuFeatures::avx2, "AVX2, FMA and F16C"},
#endif
#if TC_HAS_AVX512
    {&kAvx512Bf16, &CpuFeatures::avx512_bf16, "AVX-512 F, BW, DQ, VL, VNNI and BF16",
     "it rounds what meets BF16 weights to BF16"},
#endif
#if TC_HAS_NEON
    {&kNeon, &CpuFeatures::neon, "64-bit ARM"},
#endif
};

std::vector<KernelChoice> MakeChoices() {
  const CpuFeatures features = DetectCpuFeatures();
  std::vector<KernelChoice> choices;
  for (const Entry& entry : kEntries) {
    choices.push_back({entry.kernels->name, features.*entry.feature, entry.needs, entry.trade});
  }
  choices.push_back({ReferenceKernels().name, true, "nothing", nullptr});
  return choices;
}

}  // namespace

const Kernels* SelectKernels(const char* name) {
  const std::string_view wanted = name;
  const CpuFeatures features = DetectCpuFeatures();
  for (const Entry& entry : kEntries) {
    const bool fits = wanted == entry.kernels->name || (wanted == "auto" && entry.trade == nullptr);
    if (fits && features.*entry.feature) return entry.kernels;
  }
  if (wanted == "auto" || wanted == ReferenceKernels().name) return &ReferenceKernels();
  return nullptr;
}

KernelChoices ListKernels() {
  static const std::vector<KernelChoice> choices = MakeChoices();
  return {choices.data(), static_cast<int64_t>(choices.size())};
}

}  // namespace thermocline
