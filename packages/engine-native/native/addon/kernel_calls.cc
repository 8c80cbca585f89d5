// Kernels measured for JavaScript: the calls behind openKernelBench.
#include <mutex>

#include "addon/calls.h"
#include "addon/convert.h"
#include "addon/handles.h"
#include "probe/kernel_probe.h"

namespace thermocline::addon {
namespace {

// A kernel and its working set. Passes wait for one another.
struct OpenProbe {
  explicit OpenProbe(KernelProbe opened) : probe(std::move(opened)) {}

  std::mutex mutex;
  KernelProbe probe;
};

struct KernelProbeHandle {
  static constexpr napi_type_tag kTag = {0x7e2d06c55a0b4c19, 0x9f6ad21b8c3e4707};
  static constexpr const char* kName = "a kernel bench";

  std::shared_ptr<OpenProbe> open;  // null once it is closed
};

DType ReadType(Napi::Value value) {
  const std::string name = ReadString(value, "type");
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0,
                           DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    if (name == DTypeName(type)) return type;
  }
  throw Napi::TypeError::New(value.Env(), "type is none of the weight types");
}

KernelProbeOptions ReadOptions(Napi::Env env, Napi::Value value) {
  const Napi::Object object = ReadObject(value, "options");
  KernelProbeOptions options;
  options.kernel = ReadString(object.Get("kernel"), "kernel");
  options.type = ReadType(object.Get("type"));
  options.tokens = ReadInteger(object.Get("tokens"), "tokens");
  const int64_t threads = ReadInteger(object.Get("threads"), "threads");
  if (threads < 1 || threads > 1024) throw Napi::RangeError::New(env, "threads must be 1 to 1024");
  options.threads = static_cast<int>(threads);
  options.working_set = ReadSize(object.Get("workingSetBytes"), "workingSetBytes");
  const std::string set = ReadString(object.Get("kernels"), "kernels");
  options.kernels = SelectKernels(set.c_str());
  if (options.kernels != nullptr) return options;
  throw ToError(env, Status(StatusCode::kInvalidArgument,
                            "there is no kernel set \"" + set + "\" on this processor"));
}

// listKernelProbes() -> [{name, about, roof, typed, batched}]
Napi::Value ListProbes(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto& probes = ListKernelProbes();
  Napi::Array array = Napi::Array::New(env, probes.size());
  for (size_t i = 0; i < probes.size(); ++i) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", probes[i].name);
    object.Set("about", probes[i].about);
    object.Set("roof", *probes[i].roof == '\0' ? env.Null() : FromText(env, probes[i].roof));
    object.Set("typed", probes[i].typed);
    object.Set("batched", probes[i].batched);
    array.Set(static_cast<uint32_t>(i), object);
  }
  return array;
}

// openKernelProbe({kernel, type, tokens, threads, kernels, workingSetBytes}) -> handle
Napi::Value OpenKernelProbe(const Napi::CallbackInfo& info) {
  const KernelProbeOptions options = ReadOptions(info.Env(), info[0]);
  Environment& environment = Environment::Of(info.Env());
  const auto [call, value] = environment.Begin({});
  environment.RunFor(call, [call = call, options] {
    auto probe = KernelProbe::Create(options);
    if (!probe.ok()) return call.Reject(probe.status());
    call.Resolve([open = std::make_shared<OpenProbe>(std::move(probe).value())](Napi::Env env)
                     -> Napi::Value {
      auto handle = std::make_unique<KernelProbeHandle>();
      handle->open = open;
      return WrapHandle(env, std::move(handle));
    });
  });
  return value;
}

// runKernelProbe(probe) -> {bytes, operations, seconds}
Napi::Value RunKernelProbe(const Napi::CallbackInfo& info) {
  const auto open = UnwrapHandle<KernelProbeHandle>(info.Env(), info[0]).open;
  if (open == nullptr) {
    throw ToError(info.Env(), Status(StatusCode::kClosed, "the kernel bench is closed"));
  }
  Environment& environment = Environment::Of(info.Env());
  const auto [call, value] = environment.Begin({info[0]});
  environment.RunFor(call, [call = call, open] {
    const std::lock_guard turn(open->mutex);
    const KernelPass pass = open->probe.Run();
    call.Resolve([pass](Napi::Env env) -> Napi::Value {
      Napi::Object object = Napi::Object::New(env);
      object.Set("bytes", FromSize(env, pass.bytes));
      object.Set("operations", FromSize(env, pass.operations));
      object.Set("seconds", Napi::Number::New(env, pass.seconds));
      return object;
    });
  });
  return value;
}

// closeKernelProbe(probe): frees memory and threads when the pass in flight has ended
Napi::Value CloseKernelProbe(const Napi::CallbackInfo& info) {
  UnwrapHandle<KernelProbeHandle>(info.Env(), info[0]).open.reset();
  return info.Env().Undefined();
}

}  // namespace

void ExportKernelCalls(Napi::Object exports) {
  Export<ListProbes>(exports, "listKernelProbes");
  Export<OpenKernelProbe>(exports, "openKernelProbe");
  Export<RunKernelProbe>(exports, "runKernelProbe");
  Export<CloseKernelProbe>(exports, "closeKernelProbe");
}

}  // namespace thermocline::addon
