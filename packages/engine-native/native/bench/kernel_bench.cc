// How near the kernels come to the machine, without Node: GB/s and Gop/s, best of several passes.
// Other load only makes figures smaller. `thermocline bench kernels` shows the same.
//
//   kernel_bench [set] [kernel|all] [type|all] [threads] [tokens]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "probe/kernel_probe.h"
#include "util/cpu_features.h"

using namespace thermocline;

namespace {

constexpr int kPasses = 12;

int Show(const KernelProbeOptions& options) {
  auto probe = KernelProbe::Create(options);
  if (!probe.ok()) {
    std::fprintf(stderr, "%s\n", probe.status().message().c_str());
    return 1;
  }
  KernelPass best = probe->Run();
  for (int i = 0; i < kPasses; ++i) {
    const KernelPass pass = probe->Run();
    if (pass.seconds < best.seconds) best = pass;
  }
  std::printf("%-16s %-5s %4lld tokens  %d threads  %7.1f GB/s  %8.1f Gop/s\n",
              options.kernel.c_str(), DTypeName(options.type),
              static_cast<long long>(options.tokens), options.threads,
              static_cast<double>(best.bytes) / best.seconds / 1e9,
              static_cast<double>(best.operations) / best.seconds / 1e9);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int i, const char* otherwise) {
    return std::string(argc > i ? argv[i] : otherwise);
  };
  KernelProbeOptions options;
  options.kernels = SelectKernels(argument(1, "auto").c_str());
  if (options.kernels == nullptr) {
    std::fprintf(stderr, "there is no kernel set \"%s\" here\n", argv[1]);
    return 2;
  }
  const std::string only = argument(2, "all"), type = argument(3, "all");
  const int threads = std::atoi(argument(4, "0").c_str());
  const int tokens = std::atoi(argument(5, "0").c_str());
  std::printf("%s, kernels %s\n", CpuModelName().c_str(), options.kernels->name);
  int failures = 0;
  for (const KernelProbeInfo& info : ListKernelProbes()) {
    if (only != "all" && only != info.name) continue;
    const bool attention = std::string(info.name) == "attention";
    for (const DType t : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0,
                          DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
      if (!info.typed && t != DType::kF32) continue;
      if (info.typed && type != "all" && type != DTypeName(t)) continue;
      if (attention && t != DType::kF16 && t != DType::kF32) continue;
      const bool own = t == DType::kQ8_0 || t == DType::kQ4_0;
      if (std::string(info.name).starts_with("own-") && !own) continue;
      for (const int n : {1, 2}) {
        if (threads > 0 && n != threads) continue;
        options.kernel = info.name;
        options.type = t;
        options.threads = n;
        options.tokens = !info.batched ? 1 : tokens > 0 ? tokens : attention ? 8 : 64;
        failures += Show(options);
      }
    }
  }
  return failures == 0 ? 0 : 1;
}
