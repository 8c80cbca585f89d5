#include "addon/calls.h"
#include "addon/convert.h"
#include "backends/kernels.h"
#include "probe/drive_probe.h"
#include "probe/memory_probe.h"
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

struct MemoryRates {
  double sequential = 0;
  std::vector<std::pair<uint64_t, double>> random;
  double sync_seconds = 0;
};

Result<MemoryRates> MeasureMemory(int threads, uint64_t bytes, const std::atomic<bool>* cancel) {
  ASSIGN_OR_RETURN(const MemoryProbe probe, MemoryProbe::Create(bytes, cancel));
  MemoryRates rates;
  ASSIGN_OR_RETURN(rates.sequential, probe.SequentialRead(threads));
  for (const uint64_t block : {2048U, 4096U, 8192U, 16384U}) {
    ASSIGN_OR_RETURN(const double rate, probe.ScatteredRead(threads, block));
    rates.random.emplace_back(block, rate);
  }
  rates.sync_seconds = MeasureThreadSync(threads);
  return rates;
}

Napi::Array FromRates(Napi::Env env, const std::vector<std::pair<uint64_t, double>>& rates) {
  Napi::Array array = Napi::Array::New(env, rates.size());
  for (size_t i = 0; i < rates.size(); ++i) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("blockBytes", FromSize(env, rates[i].first));
    object.Set("bytesPerSecond", Napi::Number::New(env, rates[i].second));
    array.Set(static_cast<uint32_t>(i), object);
  }
  return array;
}

int ReadThreads(Napi::Value value) {
  const int64_t threads = ReadInteger(value, "threads");
  if (threads < 1 || threads > 1024) {
    throw Napi::RangeError::New(value.Env(), "threads must be 1 to 1024");
  }
  return static_cast<int>(threads);
}

// probeMemory(threads, bytes) -> rates
Napi::Value ProbeMemory(const Napi::CallbackInfo& info) {
  const int threads = ReadThreads(info[0]);
  const uint64_t bytes = ReadSize(info[1], "bytes");
  Environment& environment = Environment::Of(info.Env());
  const auto [call, value] = environment.Begin({});
  environment.RunFor(call, [call = call, threads, bytes] {
    const auto rates = MeasureMemory(threads, bytes, call.cancel().get());
    if (!rates.ok()) return call.Reject(rates.status());
    call.Resolve([rates = *rates](Napi::Env env) -> Napi::Value {
      Napi::Object object = Napi::Object::New(env);
      object.Set("sequentialBytesPerSecond", Napi::Number::New(env, rates.sequential));
      object.Set("random", FromRates(env, rates.random));
      object.Set("syncSeconds", Napi::Number::New(env, rates.sync_seconds));
      return object;
    });
  });
  return value;
}

// probeDrive(folder, bytes) -> rates
Napi::Value ProbeDrive(const Napi::CallbackInfo& info) {
  const std::string folder = ReadString(info[0], "folder");
  const uint64_t bytes = ReadSize(info[1], "bytes");
  Environment& environment = Environment::Of(info.Env());
  const auto [call, value] = environment.Begin({});
  environment.RunFor(call, [call = call, folder, bytes] {
    const auto rates = MeasureDrive(folder, bytes, call.cancel().get());
    if (!rates.ok()) return call.Reject(rates.status());
    call.Resolve([rates = *rates](Napi::Env env) -> Napi::Value {
      Napi::Object object = Napi::Object::New(env);
      object.Set("sequentialBytesPerSecond", Napi::Number::New(env, rates.sequential));
      object.Set("random", FromRates(env, rates.random));
      object.Set("syncSeconds", Napi::Number::New(env, rates.latency_seconds));
      return object;
    });
  });
  return value;
}

}  // namespace

void ExportHostCalls(Napi::Object exports) {
  Export<HostInfo>(exports, "hostInfo");
  Export<ProbeMemory>(exports, "probeMemory");
  Export<ProbeDrive>(exports, "probeDrive");
}

}  // namespace thermocline::addon
