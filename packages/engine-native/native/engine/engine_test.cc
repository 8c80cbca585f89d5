#include "engine/engine.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <thread>

#include "engine/engine_testing.h"

namespace thermocline {
namespace {

using testing::AllLogits;
using testing::GenerateNow;
using testing::NewSession;
using testing::OpenForTest;
using testing::OpenTiny;
using testing::StepNow;
using testing::Wait;

std::vector<TokenId> Tokens(int n, int seed = 1) {
  std::vector<TokenId> tokens;
  for (int i = 0; i < n; ++i) tokens.push_back((i * 37 + seed * 101) % 256);
  return tokens;
}

TinyModel Opt() {
  TinyModel model;
  model.arch = "opt";
  return model;
}

std::vector<TinyModel> Models() {
  TinyModel silu = TinyModelOf(DType::kF16);
  silu.activation = "silu";
  silu.tied = true;
  TinyModel mixed = TinyModelOf(DType::kQ4_K);
  mixed.down_type = DType::kQ6_K;
  return {TinyModelOf(DType::kF32),  TinyModelOf(DType::kF16),  TinyModelOf(DType::kBF16),
          TinyModelOf(DType::kQ8_0), TinyModelOf(DType::kQ4_0), TinyModelOf(DType::kQ5_K),
          mixed, Opt(), silu};
}

TEST(Engine, ExactHasTheBitsOfDenseAndReadsLess) {
  for (const TinyModel& model : Models()) {
    const auto engine = OpenTiny(model);
    ASSERT_TRUE(engine != nullptr);
    if (model.activation == "silu") {
      StepOptions options;
      options.mode = Mode::kExact;
      EXPECT_STATUS(StepNow(*engine, {{NewSession(*engine), {1}, {}}}, options),
                    StatusCode::kModeUnsupported);
      continue;
    }
    const auto tokens = Tokens(20);
    EXPECT_TRUE(AllLogits(*engine, NewSession(*engine), tokens, Mode::kDense) ==
                AllLogits(*engine, NewSession(*engine), tokens, Mode::kExact));
    uint64_t bytes[2];
    for (const Mode mode : {Mode::kDense, Mode::kExact}) {
      StepOptions options;
      options.mode = mode;
      auto result = StepNow(*engine, {{NewSession(*engine), {5}, {0}}}, options);
      ASSERT_OK(result);
      bytes[static_cast<size_t>(mode)] = result->front().stats.ffn_bytes_read[1];
    }
    EXPECT_LT(bytes[1], bytes[0]);
  }
}

TEST(Engine, PrefillHasTheBitsOfDecode) {
  for (const TinyModel& model : Models()) {
    const auto engine = OpenTiny(model);
    ASSERT_TRUE(engine != nullptr);
    const auto tokens = Tokens(33);
    const auto at_once = AllLogits(*engine, NewSession(*engine), tokens);
    const auto session = NewSession(*engine);
    for (size_t i = 0; i < tokens.size(); ++i) {
      EXPECT_TRUE(AllLogits(*engine, session, {tokens[i]}).front() == at_once[i]);
    }
  }
}

TEST(Engine, ThreadsAndRepeatsGiveTheSameBits) {
  for (const TinyModel& model : Models()) {
    std::vector<std::vector<float>> first;
    for (const int threads : {1, 2, 3, 5}) {
      EngineOptions options;
      options.threads = threads;
      const auto engine = OpenTiny(model, options);
      ASSERT_TRUE(engine != nullptr);
      for (int repeat = 0; repeat < 10; repeat += testing::Stride(5)) {
        auto logits = AllLogits(*engine, NewSession(*engine), Tokens(9));
        if (first.empty()) first = logits;
        EXPECT_TRUE(logits == first);
      }
    }
  }
}

TEST(Engine, ABatchEqualsItsSingleRuns) {
  for (const TinyModel& model : Models()) {
    const auto engine = OpenTiny(model);
    ASSERT_TRUE(engine != nullptr);
    std::vector<StepItem> items;
    for (int i = 0; i < 5; ++i) {
      const auto tokens = Tokens(3 + 7 * i, i);
      items.push_back({NewSession(*engine), tokens, {static_cast<int64_t>(tokens.size()) - 1}});
    }
    auto batch = StepNow(*engine, items);
    ASSERT_OK(batch);
    for (size_t i = 0; i < items.size(); ++i) {
      const auto alone = AllLogits(*engine, NewSession(*engine), items[i].tokens);
      EXPECT_TRUE((*batch)[i].logits.front() == alone.back());
    }
  }
}

TEST(Engine, LogitsAtAnyPositions) {
  const auto engine = OpenTiny({});
  ASSERT_TRUE(engine != nullptr);
  const auto tokens = Tokens(12);
  const auto all = AllLogits(*engine, NewSession(*engine), tokens);
  auto some = StepNow(*engine, {{NewSession(*engine), tokens, {0, 4, 11}}});
  ASSERT_OK(some);
  ASSERT_EQ(some->front().logits.size(), 3U);
  EXPECT_TRUE(some->front().logits[0] == all[0]);
  EXPECT_TRUE(some->front().logits[1] == all[4]);
  EXPECT_TRUE(some->front().logits[2] == all[11]);
}

TEST(Engine, LongPromptsRunInPieces) {
  TinyModel model;
  model.context = 700;
  const auto engine = OpenTiny(model);
  ASSERT_TRUE(engine != nullptr);
  const auto tokens = Tokens(600);
  const auto logits = AllLogits(*engine, NewSession(*engine), tokens);
  ASSERT_EQ(logits.size(), 600U);
  const auto session = NewSession(*engine);
  AllLogits(*engine, session, Tokens(599));
  EXPECT_TRUE(AllLogits(*engine, session, {tokens.back()}).front() == logits.back());
}

TEST(Engine, AnyOrderGivesTheSameBits) {
  for (const TinyModel& model : Models()) {
    const auto engine = OpenTiny(model);
    ASSERT_TRUE(engine != nullptr);
    const auto tokens = Tokens(10);
    const auto session = NewSession(*engine);
    const auto before = AllLogits(*engine, session, tokens);
    Plan plan;
    for (int64_t l = 0; l < model.layers; ++l) {
      LayerPlan layer;
      layer.order.resize(static_cast<size_t>(model.n_ff));
      std::iota(layer.order.rbegin(), layer.order.rend(), 0U);
      std::rotate(layer.order.begin(), layer.order.begin() + 77 + l, layer.order.end());
      layer.tier_end[1] = model.n_ff;
      plan.layers.push_back(std::move(layer));
    }
    ASSERT_OK(Wait([&](auto done) { engine->SetPlan(plan, done); }));
    for (const Mode mode : {Mode::kDense, Mode::kExact}) {
      if (mode == Mode::kExact && model.activation != "relu") continue;
      EXPECT_TRUE(AllLogits(*engine, NewSession(*engine), tokens, mode) == before);
    }
    EXPECT_EQ(session->length(), 10);  // timelines stay
    ASSERT_OK(Wait([&](auto done) { engine->SetPlan({}, done); }));
    EXPECT_TRUE(AllLogits(*engine, NewSession(*engine), tokens) == before);
    plan.layers.pop_back();
    EXPECT_STATUS(Wait([&](auto done) { engine->SetPlan(plan, done); }),
                  StatusCode::kInvalidArgument);
  }
}

TEST(Engine, TruncateAndForkGoOnLikeFreshRuns) {
  const auto engine = OpenTiny({});
  ASSERT_TRUE(engine != nullptr);
  auto tokens = Tokens(30);
  const auto fresh = AllLogits(*engine, NewSession(*engine), tokens);
  const auto session = NewSession(*engine);
  AllLogits(*engine, session, Tokens(25));
  AllLogits(*engine, session, {9, 9, 9, 9});
  ASSERT_OK(Wait([&](auto done) { engine->Truncate(session, 25, done); }));
  std::promise<Result<std::shared_ptr<Session>>> forked;
  engine->Fork(session, [&](auto result) { forked.set_value(std::move(result)); });
  auto fork = forked.get_future().get();
  ASSERT_OK(fork);
  AllLogits(*engine, session, {7, 7});  // must not reach the fork
  EXPECT_TRUE(AllLogits(*engine, *fork, {tokens.begin() + 25, tokens.end()}).back() ==
              fresh.back());
  EXPECT_TRUE((*fork)->tokens() == tokens);
  EXPECT_STATUS(Wait([&](auto done) { engine->Truncate(session, 28, done); }),
                StatusCode::kInvalidArgument);
}

TEST(Engine, ContextOverflowIsRefusedBeforeAnythingRuns) {
  EngineOptions options;
  options.context = 16;
  const auto engine = OpenTiny({}, options);
  ASSERT_TRUE(engine != nullptr);
  EXPECT_EQ(engine->info().context, 16);
  EXPECT_EQ(engine->info().context_source, std::string("option"));
  const auto session = NewSession(*engine);
  EXPECT_STATUS(StepNow(*engine, {{session, Tokens(17), {}}}), StatusCode::kContextOverflow);
  EXPECT_EQ(session->length(), 0);
  GenerateOptions generate;
  generate.ignore_eos = true;
  const auto generated = GenerateNow(*engine, session, Tokens(10), generate);
  ASSERT_OK(generated.result);
  EXPECT_TRUE(generated.result->reason == FinishReason::kContext);
  EXPECT_EQ(generated.result->tokens.size(), 6U);
  EXPECT_EQ(session->length(), 16);
  EXPECT_STATUS(GenerateNow(*engine, session, {1}).result, StatusCode::kContextOverflow);
  options.context = 100000;
  const TemporaryFile file("tiny.gguf");
  ASSERT_OK(WriteTinyModel({}, file.path()));
  EXPECT_STATUS(Engine::Open(file.path(), options), StatusCode::kInvalidArgument);
}

TEST(Engine, BudgetsAreHeldAndPlansAreExact) {
  const TemporaryFile file("tiny.gguf");
  ASSERT_OK(WriteTinyModel({}, file.path()));
  EngineOptions options;
  options.threads = 2;
  options.ram_budget = 1000;
  const Status refused = Engine::Open(file.path(), options).status();
  EXPECT_STATUS(refused, StatusCode::kOutOfMemory);
  EXPECT_NE(refused.message().find("1000"), std::string::npos);
  options.ram_budget = 0;
  uint64_t needed = 0;
  {
    const auto engine = OpenForTest(file.path(), options);
    ASSERT_TRUE(engine != nullptr);
    const auto session = NewSession(*engine);
    AllLogits(*engine, session, Tokens(20));
    const TierMemory memory = engine->memory().front();
    EXPECT_EQ(memory.used, memory.planned);
    EXPECT_EQ(memory.used, memory.peak);
    needed = memory.used;
  }
  options.ram_budget = needed;
  const auto engine = OpenForTest(file.path(), options);
  ASSERT_TRUE(engine != nullptr);
  const auto session = NewSession(*engine);
  EXPECT_STATUS(engine->CreateSession({}), StatusCode::kOutOfMemory);
  ASSERT_OK(Wait([&](auto done) { engine->CloseSession(session, done); }));
  EXPECT_OK(engine->CreateSession({}));
}

TEST(Engine, BadArgumentsAreRefused) {
  const auto engine = OpenTiny({});
  ASSERT_TRUE(engine != nullptr);
  const auto session = NewSession(*engine);
  EXPECT_STATUS(StepNow(*engine, {{session, {kTinyVocab}, {}}}), StatusCode::kInvalidArgument);
  EXPECT_STATUS(StepNow(*engine, {{session, {-1}, {}}}), StatusCode::kInvalidArgument);
  EXPECT_STATUS(StepNow(*engine, {{session, {1}, {1}}}), StatusCode::kInvalidArgument);
  EXPECT_STATUS(StepNow(*engine, {{session, {1, 2}, {1, 0}}}), StatusCode::kInvalidArgument);
  EXPECT_STATUS(StepNow(*engine, {{session, {1}, {}}, {session, {2}, {}}}),
                StatusCode::kInvalidArgument);
  EXPECT_STATUS(GenerateNow(*engine, session, {}).result, StatusCode::kInvalidArgument);
  GenerateOptions options;
  options.stop = {""};
  EXPECT_STATUS(GenerateNow(*engine, session, {1}, options).result,
                StatusCode::kInvalidArgument);
  options.stop.clear();
  options.sampling.temperature = std::nan("");
  EXPECT_STATUS(GenerateNow(*engine, session, {1}, options).result,
                StatusCode::kInvalidArgument);
  EngineOptions open;
  open.kernels = "abacus";
  EXPECT_STATUS(Engine::Open("/nonexistent.gguf", open), StatusCode::kInvalidArgument);
  EXPECT_STATUS(Engine::Open("/nonexistent.gguf", {}), StatusCode::kFileNotFound);
}

TEST(Engine, KvTypesAgreeAboutWhatIsSaid) {
  const auto engine = OpenTiny({});
  ASSERT_TRUE(engine != nullptr);
  SessionOptions f32;
  f32.kv_type = DType::kF32;
  f32.kv_type_set = true;
  const auto a = AllLogits(*engine, NewSession(*engine), Tokens(12)).back();
  const auto b = AllLogits(*engine, NewSession(*engine, f32), Tokens(12)).back();
  float largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::fabs(a[i]));
    EXPECT_NEAR(a[i], b[i], 5e-3);
  }
  EXPECT_FALSE(a == b);
  EXPECT_GT(largest, 0.1F);
}

}  // namespace
}  // namespace thermocline
