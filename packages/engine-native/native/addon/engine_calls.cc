#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "addon/calls.h"
#include "addon/convert.h"
#include "addon/handles.h"
#include "addon/predictor_values.h"

namespace thermocline::addon {
namespace {

Napi::Object FromLoading(Napi::Env env, const EngineInfo& info) {
  const LoadReport& load = info.load;
  Napi::Object object = Napi::Object::New(env);
  object.Set("fileBytes", FromSize(env, load.bytes));
  object.Set("seconds", load.seconds);
  object.Set("cachedBytes", FromSize(env, load.cached_bytes));
  object.Set("cacheFallback",
             load.fallback.empty() ? env.Null() : FromText(env, load.fallback));
  object.Set("stagingBytes", FromSize(env, load.staging_bytes));
  object.Set("weightBytes", FromSize(env, info.weight_bytes));
  object.Set("hugePageBytes", info.huge_page_bytes.has_value()
                                  ? Napi::Value(FromSize(env, *info.huge_page_bytes))
                                  : env.Null());
  return object;
}

Napi::Object FromInfo(Napi::Env env, const Engine& engine) {
  const EngineInfo info = engine.info();
  const VocabularyData& vocabulary = engine.tokenizer().vocabulary();
  Napi::Object types = Napi::Object::New(env);
  for (const auto& [role, type] : info.weight_types) types.Set(role, FromText(env, type));
  Napi::Array modes = Napi::Array::New(env, info.modes.size());
  for (size_t i = 0; i < info.modes.size(); ++i) {
    modes.Set(static_cast<uint32_t>(i), ModeName(info.modes[i]));
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("path", FromText(env, info.path));
  object.Set("container", FromText(env, info.container));
  object.Set("name", FromText(env, info.name));
  object.Set("model", FromHyperparameters(env, info.model));
  object.Set("gated", info.gated);
  object.Set("tied", info.tied);
  object.Set("weightTypes", types);
  object.Set("fingerprint", FromText(env, info.fingerprint));
  object.Set("defaultMode", ModeName(info.default_mode));
  object.Set("modes", modes);
  object.Set("threads", info.threads);
  object.Set("kernels", FromText(env, info.kernels));
  object.Set("context", FromInteger(env, info.context));
  object.Set("contextSource", FromText(env, info.context_source));
  object.Set("kvType", info.kv_type == DType::kF32 ? "f32" : "f16");
  object.Set("bos", FromOptionalId(env, vocabulary.bos));
  object.Set("eos", FromOptionalId(env, vocabulary.eos));
  object.Set("addsBos", info.adds_bos);
  object.Set("chatTemplate", vocabulary.chat_template.empty()
                                 ? env.Null()
                                 : FromText(env, vocabulary.chat_template));
  object.Set("notices", FromStrings(env, info.notices));
  object.Set("load", FromLoading(env, info));
  return object;
}

// [[order: Uint32Array, gpuEnd, cpuEnd], …]
Plan ReadPlan(Napi::Value value) {
  const Napi::Array layers = ReadArray(value, "layers");
  Plan plan;
  for (uint32_t i = 0; i < layers.Length(); ++i) {
    const Napi::Array layer = ReadArray(layers.Get(i), "layer");
    const Napi::Value order = layer.Get(0U);
    if (!order.IsTypedArray() ||
        order.As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array) {
      throw Napi::TypeError::New(value.Env(), "order must be a Uint32Array");
    }
    const auto ids = order.As<Napi::Uint32Array>();
    LayerPlan& part = plan.layers.emplace_back();
    if (ids.ElementLength() > 0) part.order.assign(ids.Data(), ids.Data() + ids.ElementLength());
    part.tier_end[0] = ReadInteger(layer.Get(1U), "gpuEnd");
    part.tier_end[1] = ReadInteger(layer.Get(2U), "cpuEnd");
  }
  return plan;
}

EngineOptions ReadOptions(Napi::Object object) {
  EngineOptions options;
  const int64_t threads = ReadInteger(object.Get("threads"), "threads");
  options.threads = static_cast<int>(std::clamp<int64_t>(threads, -1, 1 << 20));
  options.context = ReadInteger(object.Get("context"), "context");
  options.kv_type = ReadKvType(object.Get("kvType"));
  options.kernels = ReadString(object.Get("kernels"), "kernels");
  options.ram_budget = ReadSize(object.Get("ramBudgetBytes"), "ramBudgetBytes");
  options.plan = ReadPlan(object.Get("plan"));
  options.plan_fingerprint = ReadString(object.Get("planFingerprint"), "planFingerprint");
  options.predictors = ReadPredictorSet(object.Get("predictors"));
  return options;
}

// Tells the listener bytes read, bytes in all, and seconds since the first. Reports come as fast as
// they like; JavaScript hears the newest.
struct Loading {
  explicit Loading(Call to) : call(std::move(to)) {}

  static std::function<void(const LoadProgress&)> Of(const Call& call) {
    const auto loading = std::make_shared<Loading>(call);
    return [loading](const LoadProgress& progress) {
      const std::lock_guard lock(loading->mutex);
      loading->newest = progress;
      if (std::exchange(loading->posted, true)) return;
      loading->call.Notify(
          [loading](Napi::Env env, napi_value listener) { loading->Tell(env, listener); });
    };
  }

  void Tell(Napi::Env env, napi_value listener) {
    LoadProgress now;
    {
      const std::lock_guard lock(mutex);
      posted = false;
      now = newest;
    }
    const napi_value arguments[] = {FromSize(env, now.bytes), FromSize(env, now.total),
                                    Napi::Number::New(env, now.seconds)};
    napi_call_function(env, env.Undefined(), listener, 3, arguments, nullptr);
  }

  const Call call;
  std::mutex mutex;
  LoadProgress newest;
  bool posted = false;
};

// openEngine(path, options, onProgress) -> handle
Napi::Value Open(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::Of(info.Env());
  const std::string path = ReadString(info[0], "path");
  EngineOptions options = ReadOptions(ReadObject(info[1], "options"));
  const auto [call, value] =
      environment.Begin({}, info[2].IsFunction() ? info[2] : Napi::Value());
  options.progress = Loading::Of(call);
  options.cancel = call.cancel().get();
  environment.RunFor(call, [call = call, path, options] {
    auto opened = Engine::Open(path, options);
    if (!opened.ok()) return call.Reject(opened.status());
    call.Resolve([engine = *opened](Napi::Env env) -> Napi::Value {
      Environment& home = Environment::Of(env);
      home.Watch(engine);
      return WrapHandle(env, std::make_unique<EngineHandle>(
                                 std::make_shared<OpenEngine>(home.shared_from_this(), engine)));
    });
  });
  return value;
}

// engineInfo(engine)
Napi::Value DescribeEngine(const Napi::CallbackInfo& info) {
  return FromInfo(info.Env(), UnwrapHandle<EngineHandle>(info.Env(), info[0]).engine());
}

// engineMemory(engine) -> tiers
Napi::Value EngineMemory(const Napi::CallbackInfo& info) {
  return FromMemory(info.Env(),
                    UnwrapHandle<EngineHandle>(info.Env(), info[0]).engine().memory());
}

// createSession(engine, context, kvType | null) -> handle
Napi::Value CreateSession(const Napi::CallbackInfo& info) {
  const auto open = UnwrapHandle<EngineHandle>(info.Env(), info[0]).open;
  SessionOptions options;
  options.context = ReadInteger(info[1], "context");
  if (!info[2].IsNull()) {
    options.kv_type = ReadKvType(info[2]);
    options.kv_type_set = true;
  }
  Environment& environment = Environment::Of(info.Env());
  const auto [call, value] = environment.Begin({info[0]});
  environment.RunFor(call, [call = call, open, options] {
    auto session = open->engine->CreateSession(options);
    if (!session.ok()) return call.Reject(session.status());
    call.Resolve([open, session = *session](Napi::Env env) -> Napi::Value {
      return WrapHandle(env, std::make_unique<SessionHandle>(open, session));
    });
  });
  return value;
}

// setPlan(engine, [[order: Uint32Array, gpuEnd, cpuEnd], …])
Napi::Value SetPlan(const Napi::CallbackInfo& info) {
  Engine& engine = UnwrapHandle<EngineHandle>(info.Env(), info[0]).engine();
  Plan plan = ReadPlan(info[1]);
  const auto [call, value] = Environment::Of(info.Env()).Begin({info[0]});
  engine.SetPlan(std::move(plan),
                 [call = call](Status status) { call.Settle(std::move(status)); });
  return value;
}

// setPredictors(engine, predictors | null)
Napi::Value SetPredictors(const Napi::CallbackInfo& info) {
  Engine& engine = UnwrapHandle<EngineHandle>(info.Env(), info[0]).engine();
  std::shared_ptr<const PredictorSet> set = ReadPredictorSet(info[1]);
  const auto [call, value] = Environment::Of(info.Env()).Begin({info[0]});
  engine.SetPredictors(std::move(set),
                       [call = call](Status status) { call.Settle(std::move(status)); });
  return value;
}

// closeEngine(engine)
Napi::Value CloseEngine(const Napi::CallbackInfo& info) {
  const auto engine = UnwrapHandle<EngineHandle>(info.Env(), info[0]).open->engine;
  Environment& environment = Environment::Of(info.Env());
  const auto [call, value] = environment.Begin({info[0]});
  environment.WaitFor(call, [call = call, engine] {
    engine->Close();
    call.Settle(Status::Ok());
  });
  return value;
}

}  // namespace

void ExportEngineCalls(Napi::Object exports) {
  Export<Open>(exports, "openEngine");
  Export<DescribeEngine>(exports, "engineInfo");
  Export<EngineMemory>(exports, "engineMemory");
  Export<CreateSession>(exports, "createSession");
  Export<SetPlan>(exports, "setPlan");
  Export<SetPredictors>(exports, "setPredictors");
  Export<CloseEngine>(exports, "closeEngine");
}

}  // namespace thermocline::addon
