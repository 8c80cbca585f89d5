// Engines and calls for tests: opens models, waits for what is asynchronous.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "model/tiny_model.h"
#include "util/testing.h"

namespace thermocline::testing {

inline std::shared_ptr<Engine> OpenForTest(const std::string& path, EngineOptions options = {}) {
  if (options.threads == 0) options.threads = 2;
  auto engine = Engine::Open(path, options);
  EXPECT_OK(engine);
  return engine.ok() ? std::move(engine).value() : nullptr;
}

inline std::shared_ptr<Engine> OpenTiny(const TinyModel& model, EngineOptions options = {}) {
  const TemporaryFile file("tiny.gguf");
  EXPECT_OK(WriteTinyModel(model, file.path()));
  return OpenForTest(file.path(), options);
}

inline std::string DemoModel() {
  return RepoFile("packages/demo-model/model/Llama-ReGLU-Stories-8M-f16.gguf");
}

inline std::shared_ptr<Session> NewSession(Engine& engine, SessionOptions options = {}) {
  auto session = engine.CreateSession(options);
  EXPECT_OK(session);
  return session.ok() ? std::move(session).value() : nullptr;
}

inline Result<std::vector<Evaluation>> StepNow(Engine& engine, std::vector<StepItem> items,
                                               StepOptions options = {}) {
  auto promise = std::make_shared<std::promise<Result<std::vector<Evaluation>>>>();
  auto future = promise->get_future();
  engine.Step(std::move(items), std::move(options),
              [promise](auto result) { promise->set_value(std::move(result)); });
  return future.get();
}

// Logits after each of the tokens; empty on failure.
inline std::vector<std::vector<float>> AllLogits(Engine& engine,
                                                 const std::shared_ptr<Session>& session,
                                                 const std::vector<TokenId>& tokens,
                                                 Mode mode = Mode::kDense) {
  StepItem item{session, tokens, {}};
  for (size_t i = 0; i < tokens.size(); ++i) item.logits.push_back(static_cast<int64_t>(i));
  StepOptions options;
  options.mode = mode;
  auto result = StepNow(engine, {std::move(item)}, std::move(options));
  EXPECT_OK(result);
  if (!result.ok()) return {};
  return std::move(result->front().logits);
}

struct Generated {
  Result<GenerateResult> result = Status(StatusCode::kInternal, "not called");
  std::string streamed;
  std::vector<TokenId> streamed_tokens;
};

inline Generated GenerateNow(Engine& engine, const std::shared_ptr<Session>& session,
                             const std::vector<TokenId>& prompt, GenerateOptions options = {}) {
  auto generated = std::make_shared<Generated>();
  auto promise = std::make_shared<std::promise<void>>();
  auto future = promise->get_future();
  engine.Generate(
      session, prompt, std::move(options),
      [generated](std::vector<TokenId> tokens, std::string text) {
        generated->streamed += text;
        generated->streamed_tokens.insert(generated->streamed_tokens.end(), tokens.begin(),
                                          tokens.end());
      },
      [generated, promise](Result<GenerateResult> result) {
        generated->result = std::move(result);
        promise->set_value();
      });
  future.get();
  return *generated;
}

// Waits for one of the calls that end in a Status.
template <typename Call>
Status Wait(Call call) {
  auto promise = std::make_shared<std::promise<Status>>();
  auto future = promise->get_future();
  call([promise](Status status) { promise->set_value(std::move(status)); });
  return future.get();
}

}  // namespace thermocline::testing
