#include <mutex>

#include "addon/calls.h"
#include "addon/convert.h"
#include "addon/handles.h"

namespace thermocline::addon {
namespace {

// step(engine, [[session, tokens, logits], …], mode, audit) -> evaluations
Napi::Value RunStep(const Napi::CallbackInfo& info) {
  Engine& engine = UnwrapHandle<EngineHandle>(info.Env(), info[0]).engine();
  const Napi::Array rows = ReadArray(info[1], "items");
  std::vector<StepItem> items;
  std::vector<Napi::Value> keep{info[0]};
  for (uint32_t i = 0; i < rows.Length(); ++i) {
    const Napi::Array row = ReadArray(rows.Get(i), "item");
    const Napi::Value session = row.Get(0U);
    const auto& handle = UnwrapHandle<SessionHandle>(info.Env(), session);
    if (&handle.engine() != &engine) {
      throw Napi::TypeError::New(info.Env(), "a session of another engine");
    }
    keep.push_back(session);
    items.push_back({handle.session, ReadTokens(row.Get(1U), "tokens"),
                     ReadIndices(row.Get(2U), "logits")});
  }
  StepOptions options;
  options.mode = ReadMode(info[2]);
  options.audit = ReadBool(info[3], "audit");
  const auto [call, value] = Environment::Of(info.Env()).Begin(keep);
  options.cancel = call.cancel();
  engine.Step(std::move(items), std::move(options),
              [call = call](Result<std::vector<Evaluation>> result) {
                 if (!result.ok()) return call.Reject(result.status());
                 const auto evaluations =
                     std::make_shared<std::vector<Evaluation>>(std::move(result).value());
                 call.Resolve([evaluations](Napi::Env env) -> Napi::Value {
                   return FromEvaluations(env, *evaluations);
                 });
               });
  return value;
}

// Tokens on their way to JavaScript; however many come while it is busy, it is woken once.
struct ChunkQueue {
  explicit ChunkQueue(Call to) : call(std::move(to)) {}

  static void Push(const std::shared_ptr<ChunkQueue>& queue, const std::vector<TokenId>& tokens,
                   const std::string& text) {
    {
      const std::lock_guard lock(queue->mutex);
      queue->tokens.insert(queue->tokens.end(), tokens.begin(), tokens.end());
      queue->text += text;
      if (queue->posted) return;
      queue->posted = true;
    }
    queue->call.Notify([queue](Napi::Env env, napi_value listener) {
      std::vector<TokenId> ids;
      std::string piece;
      {
        const std::lock_guard lock(queue->mutex);
        queue->posted = false;
        ids.swap(queue->tokens);
        piece.swap(queue->text);
      }
      try {
        napi_value arguments[] = {FromTokens(env, ids), FromText(env, piece)};
        napi_call_function(env, env.Undefined(), listener, 2, arguments, nullptr);
      } catch (const Napi::Error&) {
        // The isolate is being terminated: nobody is left to read.
      }
    });
  }

  const Call call;
  std::mutex mutex;
  std::vector<TokenId> tokens;
  std::string text;
  bool posted = false;
};

GenerateOptions ReadGenerateOptions(Napi::Object object) {
  GenerateOptions options;
  options.sampling.temperature = ReadDouble(object.Get("temperature"), "temperature");
  options.sampling.top_k = ReadInteger(object.Get("topK"), "topK");
  options.sampling.top_p = ReadDouble(object.Get("topP"), "topP");
  options.sampling.min_p = ReadDouble(object.Get("minP"), "minP");
  options.sampling.repeat_penalty = ReadDouble(object.Get("repeatPenalty"), "repeatPenalty");
  options.sampling.repeat_window = ReadInteger(object.Get("repeatWindow"), "repeatWindow");
  options.sampling.seed = ReadSize(object.Get("seed"), "seed");
  options.max_tokens = ReadInteger(object.Get("maxTokens"), "maxTokens");
  options.mode = ReadMode(object.Get("mode"));
  options.stop = ReadStrings(object.Get("stop"), "stop");
  options.ignore_eos = ReadBool(object.Get("ignoreEos"), "ignoreEos");
  return options;
}

Napi::Value FromGenerated(Napi::Env env, const GenerateResult& result) {
  Napi::Array times = Napi::Array::New(env, result.token_times_ms.size());
  for (size_t i = 0; i < result.token_times_ms.size(); ++i) {
    times.Set(static_cast<uint32_t>(i), Napi::Number::New(env, result.token_times_ms[i]));
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("finishReason", FinishReasonName(result.reason));
  object.Set("tokens", FromTokens(env, result.tokens));
  object.Set("text", FromText(env, result.text));
  object.Set("prefill", FromStats(env, result.prefill));
  object.Set("decode", FromStats(env, result.decode));
  object.Set("tokenTimesMs", times);
  return object;
}

// generate(session, prompt, options, onChunk(tokens, text)) -> result
Napi::Value Generate(const Napi::CallbackInfo& info) {
  const auto& handle = UnwrapHandle<SessionHandle>(info.Env(), info[0]);
  std::vector<TokenId> prompt = ReadTokens(info[1], "prompt");
  const Napi::Object raw = ReadObject(info[2], "options");
  GenerateOptions options = ReadGenerateOptions(raw);
  if (!info[3].IsFunction()) throw Napi::TypeError::New(info.Env(), "onChunk must be a function");
  const auto [call, value] = Environment::Of(info.Env()).Begin({info[0]}, info[3]);
  options.cancel = call.cancel();
  if (ReadBool(raw.Get("aborted"), "aborted")) options.cancel->store(true);
  const auto queue = std::make_shared<ChunkQueue>(call);
  handle.engine().Generate(
      handle.session, std::move(prompt), std::move(options),
      [queue](std::vector<TokenId> tokens, std::string text) {
        ChunkQueue::Push(queue, tokens, text);
      },
      [call = call](Result<GenerateResult> result) {
        if (!result.ok()) return call.Reject(result.status());
        const auto generated = std::make_shared<GenerateResult>(std::move(result).value());
        call.Resolve([generated](Napi::Env env) { return FromGenerated(env, *generated); });
      });
  return value;
}

// truncate(session, length)
Napi::Value Truncate(const Napi::CallbackInfo& info) {
  const auto& handle = UnwrapHandle<SessionHandle>(info.Env(), info[0]);
  const int64_t length = ReadInteger(info[1], "length");
  const auto [call, value] = Environment::Of(info.Env()).Begin({info[0]});
  handle.engine().Truncate(handle.session, length,
                          [call = call](Status status) { call.Settle(std::move(status)); });
  return value;
}

// fork(session) -> handle
Napi::Value Fork(const Napi::CallbackInfo& info) {
  const auto& handle = UnwrapHandle<SessionHandle>(info.Env(), info[0]);
  const auto [call, value] = Environment::Of(info.Env()).Begin({info[0]});
  // Weak, because the engine's own thread must never be the last to let go of the engine.
  const std::weak_ptr<OpenEngine> weak = handle.open;
  handle.engine().Fork(handle.session,
                      [call = call, weak](Result<std::shared_ptr<Session>> result) {
                        if (!result.ok()) return call.Reject(result.status());
                        call.Resolve([weak, session = *result](Napi::Env env) -> Napi::Value {
                          const auto open = weak.lock();
                          if (open == nullptr) {
                            throw ToError(env, Status(StatusCode::kClosed, "the engine is closed"));
                          }
                          return WrapHandle(env, std::make_unique<SessionHandle>(open, session));
                        });
                      });
  return value;
}

// closeSession(session)
Napi::Value CloseSession(const Napi::CallbackInfo& info) {
  const auto& handle = UnwrapHandle<SessionHandle>(info.Env(), info[0]);
  const auto [call, value] = Environment::Of(info.Env()).Begin({info[0]});
  handle.engine().CloseSession(handle.session,
                              [call = call](Status status) { call.Settle(std::move(status)); });
  return value;
}

// sessionLength(session)
Napi::Value SessionLength(const Napi::CallbackInfo& info) {
  return FromInteger(info.Env(),
                     UnwrapHandle<SessionHandle>(info.Env(), info[0]).session->length());
}

// sessionTokens(session) -> Int32Array
Napi::Value SessionTokens(const Napi::CallbackInfo& info) {
  return FromTokens(info.Env(),
                    UnwrapHandle<SessionHandle>(info.Env(), info[0]).session->tokens());
}

}  // namespace

void ExportSessionCalls(Napi::Object exports) {
  Export<RunStep>(exports, "step");
  Export<Generate>(exports, "generate");
  Export<Truncate>(exports, "truncate");
  Export<Fork>(exports, "fork");
  Export<CloseSession>(exports, "closeSession");
  Export<SessionLength>(exports, "sessionLength");
  Export<SessionTokens>(exports, "sessionTokens");
}

}  // namespace thermocline::addon
