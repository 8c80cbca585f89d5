// Faults that were found once, each as the smallest case that showed it.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <thread>

#include "engine/engine_testing.h"
#include "engine/sum_observer.h"

namespace thermocline {
namespace {

using testing::AllLogits;
using testing::GenerateNow;
using testing::NewSession;
using testing::OpenForTest;
using testing::OpenTiny;
using testing::StepNow;
using testing::Wait;

// Two items of 200 tokens do not fit one batch, so the second item stands alone in the next.
TEST(Regression, ObservedRowsKeepTheirItemFromBatchToBatch) {
  TinyModel model;
  model.context = 256;
  const auto engine = OpenTiny(model);
  ASSERT_TRUE(engine != nullptr);
  auto observer = std::make_shared<QueueObserver>(
      std::vector<int64_t>{0}, std::vector<Stream>{Stream::kResidual}, 10000);
  observer->Label({10, 11, 12}, {0, 0, 0});
  StepOptions options;
  options.observer = observer;
  const std::vector<TokenId> text(200, 65);
  ASSERT_OK(StepNow(*engine,
                    {{NewSession(*engine), {}, {}},
                     {NewSession(*engine), text, {}},
                     {NewSession(*engine), text, {}}},
                    options));
  observer->Finish();
  int64_t rows[3] = {0, 0, 0};
  while (const auto batch = observer->Pop()) {
    for (size_t i = 0; i < batch->documents.size(); ++i) {
      EXPECT_EQ(batch->positions[i],
                static_cast<uint32_t>(rows[batch->documents[i] - 10]++));
    }
  }
  EXPECT_EQ(rows[0], 0);
  EXPECT_EQ(rows[1], 200);
  EXPECT_EQ(rows[2], 200);
}

TEST(Regression, ACallbackMayBeTheLastToLetGoOfTheEngine) {
  for (int round = 0; round < 20; ++round) {
    auto engine = OpenTiny({});
    ASSERT_TRUE(engine != nullptr);
    auto session = NewSession(*engine);
    std::weak_ptr<Engine> weak = engine;
    std::promise<void> let_go;
    Engine* const raw = engine.get();
    raw->Step({{session, {1, 2, 3}, {}}}, {},
              [held = std::move(engine), &let_go](auto result) mutable {
                EXPECT_OK(result);
                held.reset();
                let_go.set_value();
              });
    let_go.get_future().get();
    EXPECT_TRUE(weak.expired());
    // The engine is gone, or going, and its session knows.
    for (int i = 0; i < 5000 && !session->closed(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_TRUE(session->closed());
  }
}

TEST(Regression, QuantisedDownMatricesOfOddWidthAreRefused) {
  for (const DType down : {DType::kQ8_0, DType::kQ4_0}) {
    TinyModel model;
    model.type = DType::kF16;
    model.down_type = down;
    EXPECT_TRUE(OpenTiny(model) != nullptr);  // in multiples of 32, types may differ
    model.d_model = 48;
    const TemporaryFile file("tiny.gguf");
    ASSERT_OK(WriteTinyModel(model, file.path()));
    const Status refused = Engine::Open(file.path(), {}).status();
    EXPECT_STATUS(refused, StatusCode::kModelUnsupported);
    EXPECT_NE(refused.message().find("ffn_down"), std::string::npos);
  }
}

TEST(Regression, SuperblocksOfDownMatricesNeedNoSuperblocksElsewhere) {
  for (const DType down : {DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    TinyModel model;
    model.type = DType::kQ4_0;
    model.down_type = down;
    model.n_ff = 256;
    model.d_model = 96;
    model.heads = 3;
    model.kv_heads = 1;
    const auto engine = OpenTiny(model);
    ASSERT_TRUE(engine != nullptr);
    EXPECT_TRUE(AllLogits(*engine, NewSession(*engine), {1, 2, 3}, Mode::kDense) ==
                AllLogits(*engine, NewSession(*engine), {1, 2, 3}, Mode::kExact));
  }
}

// The last bytes of the file are the last rows of the output matrix.
TEST(Regression, LogitsThatAreNoNumbersEndAGeneration) {
  const TemporaryFile file("tiny.gguf");
  ASSERT_OK(WriteTinyModel({}, file.path()));
  {
    std::fstream bytes(file.path(), std::ios::binary | std::ios::in | std::ios::out);
    bytes.seekp(-64, std::ios::end);
    bytes.write(std::string(64, '\xFF').data(), 64);
  }
  const auto engine = OpenForTest(file.path());
  ASSERT_TRUE(engine != nullptr);
  EXPECT_TRUE(std::isnan(AllLogits(*engine, NewSession(*engine), {1}).front().back()));
  EXPECT_STATUS(GenerateNow(*engine, NewSession(*engine), {1, 2}).result,
                StatusCode::kModelCorrupt);
}

TEST(Regression, NoTokensAskedForStillReadsThePrompt) {
  const auto engine = OpenTiny({});
  ASSERT_TRUE(engine != nullptr);
  const auto session = NewSession(*engine);
  GenerateOptions options;
  options.max_tokens = 0;
  const auto nothing = GenerateNow(*engine, session, {1, 2, 3}, options);
  ASSERT_OK(nothing.result);
  EXPECT_TRUE(nothing.result->reason == FinishReason::kLength);
  EXPECT_TRUE(nothing.result->tokens.empty());
  EXPECT_EQ(nothing.result->prefill.tokens, 3);
  EXPECT_TRUE(session->tokens() == (std::vector<TokenId>{1, 2, 3}));
}

TEST(Regression, SessionsOfAnotherEngineAreRefused) {
  TinyModel larger;
  larger.layers = 3;
  const auto engine = OpenTiny({});
  const auto other = OpenTiny(larger);
  ASSERT_TRUE(engine != nullptr && other != nullptr);
  const auto session = NewSession(*engine);
  EXPECT_STATUS(StepNow(*other, {{session, {1}, {}}}), StatusCode::kInvalidArgument);
  EXPECT_STATUS(GenerateNow(*other, session, {1}).result, StatusCode::kInvalidArgument);
  EXPECT_STATUS(Wait([&](auto done) { other->Truncate(session, 0, done); }),
                StatusCode::kInvalidArgument);
}

TEST(Regression, AStepOnASessionThatClosesSaysSo) {
  TinyModel model;
  model.context = 4096;
  const auto engine = OpenTiny(model);
  ASSERT_TRUE(engine != nullptr);
  const auto session = NewSession(*engine);
  std::promise<StatusCode> code;
  engine->Step({{session, std::vector<TokenId>(4000, 65), {}}}, {},
               [&](auto result) { code.set_value(result.status().code()); });
  ASSERT_OK(Wait([&](auto done) { engine->CloseSession(session, done); }));
  EXPECT_TRUE(code.get_future().get() == StatusCode::kClosed);
}

// Small layers, each of which the system would promise, and more together than there is.
TEST(Regression, CachesThatCannotFitAreRefusedWithTheNumbers) {
  TinyModel model;
  model.layers = 64;
  model.context = int64_t{1} << 25;
  const auto engine = OpenTiny(model);
  ASSERT_TRUE(engine != nullptr);
  const Status refused = engine->CreateSession({}).status();
  EXPECT_STATUS(refused, StatusCode::kOutOfMemory);
  EXPECT_NE(refused.message().find(std::to_string(model.context)), std::string::npos);
  SessionOptions options;
  options.context = 64;
  EXPECT_OK(engine->CreateSession(options));
}

TEST(Regression, TierEndsWithoutAnOrderAreRefused) {
  const auto engine = OpenTiny({});
  ASSERT_TRUE(engine != nullptr);
  Plan plan;
  plan.layers.resize(2);
  EXPECT_OK(Wait([&](auto done) { engine->SetPlan(plan, done); }));
  plan.layers[1].tier_end[1] = 288;
  EXPECT_STATUS(Wait([&](auto done) { engine->SetPlan(plan, done); }),
                StatusCode::kInvalidArgument);
}

TEST(Regression, SumsAreRefusedForAnotherModel) {
  const auto engine = OpenTiny({});
  ASSERT_TRUE(engine != nullptr);
  StepOptions options;
  options.observer = std::make_shared<SumObserver>(std::vector<int64_t>{8});
  EXPECT_STATUS(StepNow(*engine, {{NewSession(*engine), {1}, {}}}, options),
                StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace thermocline
