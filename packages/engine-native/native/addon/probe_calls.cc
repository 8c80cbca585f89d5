#include "addon/calls.h"
#include "addon/convert.h"
#include "addon/progress.h"
#include "probe/drive_probe.h"
#include "probe/gpu_probe.h"
#include "probe/memory_probe.h"

namespace thermocline::addon {
namespace {

constexpr uint64_t kBundles[] = {1U << 10, 2U << 10, 4U << 10, 8U << 10,
                                 16U << 10, 32U << 10, 64U << 10};

struct MemoryRates {
  double sequential = 0;
  std::vector<std::pair<uint64_t, double>> random;  // bundle bytes, bytes per second
  double sync_seconds = 0;
  std::optional<bool> huge_pages;
};

Result<MemoryRates> MeasureMemory(int threads, uint64_t bytes, const std::atomic<bool>* cancel,
                                  const std::function<void(double)>& progress) {
  ASSIGN_OR_RETURN(const MemoryProbe probe, MemoryProbe::Create(bytes, cancel));
  progress(0.5);
  MemoryRates rates;
  rates.huge_pages = probe.OnHugePages();
  ASSIGN_OR_RETURN(rates.sequential, probe.SequentialRead(threads));
  progress(0.7);
  for (const uint64_t bundle : kBundles) {
    ASSIGN_OR_RETURN(const double rate, probe.ScatteredRead(threads, bundle));
    rates.random.emplace_back(bundle, rate);
  }
  rates.sync_seconds = MeasureThreadSync(threads);
  progress(1);
  return rates;
}

Napi::Object FromRate(Napi::Env env, uint64_t block_bytes, double bytes_per_second) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("blockBytes", FromSize(env, block_bytes));
  object.Set("bytesPerSecond", Napi::Number::New(env, bytes_per_second));
  return object;
}

Napi::Object FromMemoryRates(Napi::Env env, const MemoryRates& rates) {
  Napi::Array random = Napi::Array::New(env, rates.random.size());
  for (size_t i = 0; i < rates.random.size(); ++i) {
    const auto& [bundle, rate] = rates.random[i];
    random.Set(static_cast<uint32_t>(i), FromRate(env, bundle, rate));
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("sequentialBytesPerSecond", Napi::Number::New(env, rates.sequential));
  object.Set("random", random);
  object.Set("syncSeconds", Napi::Number::New(env, rates.sync_seconds));
  if (rates.huge_pages) object.Set("hugePages", *rates.huge_pages);
  return object;
}

Napi::Object FromDriveRates(Napi::Env env, const DriveRates& rates) {
  Napi::Array random = Napi::Array::New(env, rates.random.size());
  for (size_t i = 0; i < rates.random.size(); ++i) {
    const DriveRate& rate = rates.random[i];
    Napi::Object object = FromRate(env, rate.block_bytes, rate.bytes_per_second);
    object.Set("queueDepth", rate.depth);
    random.Set(static_cast<uint32_t>(i), object);
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("sequentialBytesPerSecond", Napi::Number::New(env, rates.sequential));
  object.Set("random", random);
  object.Set("syncSeconds", Napi::Number::New(env, rates.latency_seconds));
  return object;
}

const char* TypeName(vk::DeviceType type) {
  switch (type) {
    case vk::DeviceType::kDiscrete: return "discrete";
    case vk::DeviceType::kIntegrated: return "integrated";
    case vk::DeviceType::kVirtual: return "virtual";
    case vk::DeviceType::kCpu: return "cpu";
    case vk::DeviceType::kOther: return "other";
  }
  return "other";
}

Napi::Object FromGpu(Napi::Env env, const GpuInfo& gpu) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", FromText(env, gpu.name));
  object.Set("type", TypeName(gpu.type));
  object.Set("vendorId", gpu.vendor_id);
  object.Set("deviceId", gpu.device_id);
  object.Set("capacityBytes", FromSize(env, gpu.capacity_bytes));
  object.Set("availableBytes",
             gpu.available_bytes ? FromSize(env, *gpu.available_bytes) : env.Null());
  object.Set("unusable", gpu.unusable.empty() ? env.Null() : FromText(env, gpu.unusable));
  return object;
}

Napi::Object FromGpuRates(Napi::Env env, const GpuRates& rates) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("gpu", FromGpu(env, rates.gpu));
  object.Set("sequentialBytesPerSecond", Napi::Number::New(env, rates.sequential));
  object.Set("linkBytesPerSecond", Napi::Number::New(env, rates.link));
  object.Set("syncSeconds", Napi::Number::New(env, rates.sync_seconds));
  return object;
}

int ReadThreads(Napi::Value value) {
  const int64_t threads = ReadInteger(value, "threads");
  if (threads < 1 || threads > 1024) {
    throw Napi::RangeError::New(value.Env(), "threads must be 1 to 1024");
  }
  return static_cast<int>(threads);
}

// Settles a call with what `measure` returns, as `convert` writes it for JavaScript.
template <typename T>
void Settle(const Call& call, const Result<T>& measured,
            Napi::Object (*convert)(Napi::Env, const T&)) {
  if (!measured.ok()) return call.Reject(measured.status());
  call.Resolve(
      [value = *measured, convert](Napi::Env env) -> Napi::Value { return convert(env, value); });
}

// probeMemory(threads, bytes, onProgress) -> rates
Napi::Value ProbeMemory(const Napi::CallbackInfo& info) {
  const int threads = ReadThreads(info[0]);
  const uint64_t bytes = ReadSize(info[1], "bytes");
  Environment& environment = Environment::Of(info.Env());
  const auto [call, value] = environment.Begin({}, info[2]);
  environment.RunFor(call, [call = call, threads, bytes] {
    Settle(call, MeasureMemory(threads, bytes, call.cancel().get(), ProgressOf(call)),
           FromMemoryRates);
  });
  return value;
}

// probeDrive(folder, bytes, onProgress) -> rates
Napi::Value ProbeDrive(const Napi::CallbackInfo& info) {
  DriveProbeOptions options;
  options.folder = ReadString(info[0], "folder");
  options.file_bytes = ReadSize(info[1], "bytes");
  Environment& environment = Environment::Of(info.Env());
  const auto [call, value] = environment.Begin({}, info[2]);
  options.cancel = call.cancel().get();
  options.progress = ProgressOf(call);
  environment.RunFor(call, [call = call, options] {
    Settle(call, MeasureDrive(options), FromDriveRates);
  });
  return value;
}

// probeGpu(cpuDevices, onProgress) -> rates
Napi::Value ProbeGpu(const Napi::CallbackInfo& info) {
  GpuProbeOptions options;
  options.cpu_devices = ReadBool(info[0], "cpuDevices");
  Environment& environment = Environment::Of(info.Env());
  const auto [call, value] = environment.Begin({}, info[1]);
  options.cancel = call.cancel().get();
  options.progress = ProgressOf(call);
  environment.RunFor(call, [call = call, options] {
    Settle(call, MeasureGpu(options), FromGpuRates);
  });
  return value;
}

// listGpus() -> gpus
Napi::Value FindGpus(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::Of(info.Env());
  const auto [call, value] = environment.Begin({});
  environment.RunFor(call, [call = call] {
    const auto gpus = ListGpus();
    if (!gpus.ok()) return call.Reject(gpus.status());
    call.Resolve([gpus = *gpus](Napi::Env env) -> Napi::Value {
      Napi::Array array = Napi::Array::New(env, gpus.size());
      for (size_t i = 0; i < gpus.size(); ++i) {
        array.Set(static_cast<uint32_t>(i), FromGpu(env, gpus[i]));
      }
      return array;
    });
  });
  return value;
}

}  // namespace

void ExportProbeCalls(Napi::Object exports) {
  Export<ProbeMemory>(exports, "probeMemory");
  Export<ProbeDrive>(exports, "probeDrive");
  Export<ProbeGpu>(exports, "probeGpu");
  Export<FindGpus>(exports, "listGpus");
}

}  // namespace thermocline::addon
