#include "addon/calls.h"
#include "addon/convert.h"
#include "backends/kernels.h"
#include "util/cpu_features.h"
#include "util/system_memory.h"

namespace thermocline::addon {
namespace {

std::vector<std::string> FeatureNames() {
  const CpuFeatures features = DetectCpuFeatures();
  std::vector<std::string> names;
  if (features.avx2) names.emplace_back("avx2");
  if (features.avx512) names.emplace_back("avx512");
  if (features.avx512_vnni) names.emplace_back("avx512-vnni");
  if (features.avx512_bf16) names.emplace_back("avx512-bf16");
  if (features.neon) names.emplace_back("neon");
  return names;
}

// hostInfo()
Napi::Value HostInfo(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Kernels* const chosen = SelectKernels("auto");
  const KernelChoices choices = ListKernels();
  const CpuTopology topology = DetectCpuTopology();
  Napi::Array sets = Napi::Array::New(env, static_cast<size_t>(choices.count));
  for (int64_t i = 0; i < choices.count; ++i) {
    const KernelChoice& choice = choices.data[i];
    Napi::Object set = Napi::Object::New(env);
    set.Set("name", choice.name);
    set.Set("supported", choice.supported);
    set.Set("needs", choice.needs);
    set.Set("trade", choice.trade != nullptr ? Napi::String::New(env, choice.trade) : env.Null());
    set.Set("chosen", chosen != nullptr && std::string(chosen->name) == choice.name);
    sets.Set(static_cast<uint32_t>(i), set);
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("cpuModel", FromText(env, CpuModelName()));
  object.Set("cores", topology.physical);
  object.Set("threads", topology.logical);
  object.Set("features", FromStrings(env, FeatureNames()));
  object.Set("kernels", sets);
  object.Set("availableBytes", FromSize(env, AvailableMemoryBytes()));
  return object;
}

}  // namespace

void ExportHostCalls(Napi::Object exports) {
  Export<HostInfo>(exports, "hostInfo");
}

}  // namespace thermocline::addon
