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

// startSum(engine) -> handle
Napi::Value StartSum(const Napi::CallbackInfo& info) {
  const Engine& engine = UnwrapHandle<EngineHandle>(info.Env(), info[0]).engine();
  auto handle = std::make_unique<SumHandle>();
  handle->observer = std::make_shared<SumObserver>(engine.info().model.n_ff);
  return WrapHandle(info.Env(), std::move(handle));
}

// sumWindow(sum, session, tokens)
Napi::Value SumWindow(const Napi::CallbackInfo& info) {
  const auto observer = UnwrapHandle<SumHandle>(info.Env(), info[0]).observer;
  const auto& reader = UnwrapHandle<SessionHandle>(info.Env(), info[1]);
  std::vector<TokenId> tokens = ReadTokens(info[2], "tokens");
  const auto [call, value] = Environment::Of(info.Env()).Begin({info[0], info[1]});
  ReadWindow(call, reader, std::move(tokens), observer);
  return value;
}

// sumResult(sum) -> {tokens, fires, absSum}. REQUIRES: no window is being read.
Napi::Value SumResult(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const SumObserver& sums = *UnwrapHandle<SumHandle>(env, info[0]).observer;
  Napi::Array fires = Napi::Array::New(env, sums.fires().size());
  Napi::Array abs_sum = Napi::Array::New(env, sums.abs_sum().size());
  for (size_t layer = 0; layer < sums.fires().size(); ++layer) {
    const auto& counts = sums.fires()[layer];
    const auto& totals = sums.abs_sum()[layer];
    auto count_array = Napi::BigInt64Array::New(env, counts.size(), napi_bigint64_array);
    auto total_array = Napi::Float64Array::New(env, totals.size());
    std::memcpy(count_array.Data(), counts.data(), counts.size() * sizeof(int64_t));
    std::memcpy(total_array.Data(), totals.data(), totals.size() * sizeof(double));
    fires.Set(static_cast<uint32_t>(layer), count_array);
    abs_sum.Set(static_cast<uint32_t>(layer), total_array);
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("tokens", FromIntegers(env, sums.tokens()));
  object.Set("fires", fires);
  object.Set("absSum", abs_sum);
  return object;
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
