#include <cstring>

#include "addon/calls.h"
#include "addon/convert.h"
#include "addon/handles.h"

namespace thermocline::addon {
namespace {

Stream ReadStream(Napi::Value value) {
  const std::string name = ReadString(value, "stream");
  for (int i = 0; i < kStreams; ++i) {
    if (name == StreamName(static_cast<Stream>(i))) return static_cast<Stream>(i);
  }
  throw Napi::TypeError::New(value.Env(), "stream must be the name of a stream");
}

uint32_t ReadLabel(Napi::Value value, const char* name) {
  const uint64_t label = ReadSize(value, name);
  if (label > UINT32_MAX) {
    throw Napi::RangeError::New(value.Env(), std::string(name) + " is too large");
  }
  return static_cast<uint32_t>(label);
}

// Empty, or one for each layer.
std::vector<double> ReadThresholds(Napi::Value value, size_t n_layers) {
  if (!value.IsTypedArray() ||
      value.As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
    throw Napi::TypeError::New(value.Env(), "thresholds must be a Float64Array");
  }
  const auto array = value.As<Napi::Float64Array>();
  const size_t n = array.ElementLength();
  if (n != 0 && n != n_layers) {
    throw Napi::RangeError::New(value.Env(), "thresholds must be one for each layer");
  }
  std::vector<double> thresholds(n);
  for (size_t i = 0; i < n; ++i) {
    thresholds[i] = array[i];
    if (thresholds[i] >= 0) continue;
    throw Napi::RangeError::New(value.Env(), "thresholds must not be negative");
  }
  return thresholds;
}

Napi::Uint32Array FromLabels(Napi::Env env, const std::vector<uint32_t>& labels) {
  auto array = Napi::Uint32Array::New(env, labels.size());
  if (!labels.empty()) std::memcpy(array.Data(), labels.data(), labels.size() * sizeof(uint32_t));
  return array;
}

// Reads one window from an empty context while the observer watches, then forgets it.
void ReadWindow(const Call& call, const SessionHandle& reader, std::vector<TokenId> tokens,
                std::shared_ptr<Observer> observer) {
  reader.engine().Truncate(reader.session, 0, [](Status) {});
  StepOptions options;
  options.mode = reader.engine().info().default_mode;
  options.cancel = call.cancel();
  options.observer = std::move(observer);
  reader.engine().Step({{reader.session, std::move(tokens), {}}}, std::move(options),
                      [call](Result<std::vector<Evaluation>> result) {
                        call.Settle(result.status());
                      });
}

// startObservation(layers: Int32Array, streams, maxRows) -> handle
Napi::Value StartObservation(const Napi::CallbackInfo& info) {
  const Napi::Array names = ReadArray(info[1], "streams");
  std::vector<Stream> streams;
  for (uint32_t i = 0; i < names.Length(); ++i) streams.push_back(ReadStream(names.Get(i)));
  auto handle = std::make_unique<ObservationHandle>();
  handle->observer = std::make_shared<QueueObserver>(
      ReadIndices(info[0], "layers"), std::move(streams), ReadInteger(info[2], "maxRows"));
  Environment::Of(info.Env()).Watch(handle->observer);
  return WrapHandle(info.Env(), std::move(handle));
}

// observeWindow(observation, session, tokens, document, position): resolves when it is read
Napi::Value ObserveWindow(const Napi::CallbackInfo& info) {
  const auto observer = UnwrapHandle<ObservationHandle>(info.Env(), info[0]).observer;
  const auto& reader = UnwrapHandle<SessionHandle>(info.Env(), info[1]);
  std::vector<TokenId> tokens = ReadTokens(info[2], "tokens");
  observer->Label({ReadLabel(info[3], "document")}, {ReadLabel(info[4], "position")});
  const auto [call, value] = Environment::Of(info.Env()).Begin({info[0], info[1]});
  ReadWindow(call, reader, std::move(tokens), observer);
  return value;
}

// nextObservation(observation) -> batch, or null at the end
Napi::Value NextObservation(const Napi::CallbackInfo& info) {
  const auto observer = UnwrapHandle<ObservationHandle>(info.Env(), info[0]).observer;
  Environment& environment = Environment::Of(info.Env());
  const auto [call, value] = environment.Begin({info[0]});
  environment.WaitFor(call, [call = call, observer] {
    const auto batch = std::make_shared<std::optional<ObservationBatch>>(observer->Pop());
    call.Resolve([batch](Napi::Env env) -> Napi::Value {
      if (!batch->has_value()) return env.Null();
      Napi::Object object = Napi::Object::New(env);
      object.Set("layer", FromInteger(env, (*batch)->layer));
      object.Set("stream", StreamName((*batch)->stream));
      object.Set("width", FromInteger(env, (*batch)->width));
      object.Set("values", FromFloats(env, (*batch)->values));
      object.Set("documents", FromLabels(env, (*batch)->documents));
      object.Set("positions", FromLabels(env, (*batch)->positions));
      return object;
    });
  });
  return value;
}

// finishObservation(observation): no window comes any more
Napi::Value FinishObservation(const Napi::CallbackInfo& info) {
  UnwrapHandle<ObservationHandle>(info.Env(), info[0]).observer->Finish();
  return info.Env().Undefined();
}

// cancelObservation(observation): nobody reads any more
Napi::Value CancelObservation(const Napi::CallbackInfo& info) {
  UnwrapHandle<ObservationHandle>(info.Env(), info[0]).observer->Cancel();
  return info.Env().Undefined();
}

// startSum(engine, thresholds: Float64Array, salt | null) -> handle
Napi::Value StartSum(const Napi::CallbackInfo& info) {
  const auto open = UnwrapHandle<EngineHandle>(info.Env(), info[0]).open;
  const std::vector<int64_t>& n_ff = open->engine->info().model.n_ff;
  SumOptions options;
  options.thresholds = ReadThresholds(info[1], n_ff.size());
  if (!info[2].IsNull()) options.sketch_salt = ReadLabel(info[2], "salt");
  auto observer = std::make_shared<SumObserver>(n_ff, std::move(options));
  return WrapHandle(info.Env(), std::make_unique<SumHandle>(open, std::move(observer)));
}

// sumWindow(sum, session, tokens, document, position): resolves when it is read
Napi::Value SumWindow(const Napi::CallbackInfo& info) {
  const auto observer = UnwrapHandle<SumHandle>(info.Env(), info[0]).observer;
  const auto& reader = UnwrapHandle<SessionHandle>(info.Env(), info[1]);
  std::vector<TokenId> tokens = ReadTokens(info[2], "tokens");
  observer->Label({ReadLabel(info[3], "document")}, {ReadLabel(info[4], "position")});
  const auto [call, value] = Environment::Of(info.Env()).Begin({info[0], info[1]});
  ReadWindow(call, reader, std::move(tokens), observer);
  return value;
}

// One array per layer, as JavaScript has them.
template <typename JsArray, typename Values>
Napi::Array FromLayers(Napi::Env env, const std::vector<SumObserver::Layer>& layers,
                       Values values) {
  Napi::Array arrays = Napi::Array::New(env, layers.size());
  for (size_t l = 0; l < layers.size(); ++l) {
    const auto& from = values(l);
    JsArray array = JsArray::New(env, from.size());
    if (!from.empty()) std::memcpy(array.Data(), from.data(), from.size() * sizeof(from[0]));
    arrays.Set(static_cast<uint32_t>(l), array);
  }
  return arrays;
}

std::vector<double> Multiplied(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> products(a.size());
  for (size_t i = 0; i < a.size(); ++i) products[i] = a[i] * b[i];
  return products;
}

Napi::Value FromSums(Napi::Env env, const SumObserver& sums, const DownNorms& norms) {
  const auto& layers = sums.layers();
  const auto layer = [&](size_t l) -> const SumObserver::Layer& { return layers[l]; };
  std::vector<int64_t> tokens;
  for (const auto& each : layers) tokens.push_back(each.tokens);
  Napi::Object object = Napi::Object::New(env);
  object.Set("tokens", FromIntegers(env, tokens));
  object.Set("fires", FromLayers<Napi::BigInt64Array>(
                          env, layers, [&](size_t l) -> auto& { return layer(l).fires; }));
  object.Set("absSum", FromLayers<Napi::Float64Array>(
                           env, layers, [&](size_t l) -> auto& { return layer(l).abs_sum; }));
  object.Set("contribution", FromLayers<Napi::Float64Array>(env, layers, [&](size_t l) {
               return Multiplied(layer(l).abs_sum, norms[l]);
             }));
  object.Set("magnitudes", FromLayers<Napi::BigInt64Array>(
                               env, layers, [&](size_t l) -> auto& { return layer(l).magnitudes; }));
  if (sums.sketching()) {
    object.Set("coactivation", FromLayers<Napi::Uint32Array>(
                                   env, layers, [&](size_t l) -> auto& { return layer(l).sketches; }));
  }
  return object;
}

// sumResult(sum) -> ActivationSums. REQUIRES: no window is being read. The first call for an
// engine reads the down matrices from the file.
Napi::Value SumResult(const Napi::CallbackInfo& info) {
  const auto& handle = UnwrapHandle<SumHandle>(info.Env(), info[0]);
  Environment& environment = Environment::Of(info.Env());
  const auto [call, value] = environment.Begin({info[0]});
  environment.RunFor(call, [call = call, open = handle.open, observer = handle.observer] {
    auto norms = open->engine->ReadDownNorms(call.cancel());
    if (!norms.ok()) return call.Reject(norms.status());
    call.Resolve([observer, norms = *norms](Napi::Env env) -> Napi::Value {
      return FromSums(env, *observer, *norms);
    });
  });
  return value;
}

}  // namespace

void ExportObserveCalls(Napi::Object exports) {
  Export<StartObservation>(exports, "startObservation");
  Export<ObserveWindow>(exports, "observeWindow");
  Export<NextObservation>(exports, "nextObservation");
  Export<FinishObservation>(exports, "finishObservation");
  Export<CancelObservation>(exports, "cancelObservation");
  Export<StartSum>(exports, "startSum");
  Export<SumWindow>(exports, "sumWindow");
  Export<SumResult>(exports, "sumResult");
}

}  // namespace thermocline::addon
