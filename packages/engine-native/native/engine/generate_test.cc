// Generation: what ends it, what streams out of it, and that nothing else can
// disturb it.
#include <atomic>
#include <thread>

#include "engine/engine_testing.h"

namespace thermocline {
namespace {

using testing::AllLogits;
using testing::Generated;
using testing::GenerateNow;
using testing::NewSession;
using testing::OpenForTest;
using testing::OpenTiny;
using testing::Wait;

GenerateOptions Endless(int64_t max_tokens = -1) {
  GenerateOptions options;
  options.ignore_eos = true;
  options.max_tokens = max_tokens;
  options.mode = Mode::kExact;
  return options;
}

TEST(Generate, GreedyFollowsTheLogits) {
  const auto engine = OpenTiny({});
  ASSERT_TRUE(engine != nullptr);
  const auto session = NewSession(*engine);
  const Generated generated = GenerateNow(*engine, session, {1, 2, 3}, Endless(10));
  ASSERT_OK(generated.result);
  ASSERT_EQ(generated.result->tokens.size(), 10U);
  EXPECT_EQ(generated.result->token_times_ms.size(), 10U);
  EXPECT_EQ(generated.streamed, generated.result->text);
  EXPECT_TRUE(generated.streamed_tokens == generated.result->tokens);
  EXPECT_EQ(session->length(), 13);

  std::vector<TokenId> timeline{1, 2, 3};
  for (const TokenId token : generated.result->tokens) {
    const auto logits = AllLogits(*engine, NewSession(*engine), timeline, Mode::kExact).back();
    EXPECT_EQ(std::max_element(logits.begin(), logits.end()) - logits.begin(), token);
    timeline.push_back(token);
  }
}

TEST(Generate, GoesOnWhereItStopped) {
  const auto engine = OpenTiny({});
  ASSERT_TRUE(engine != nullptr);
  const auto whole = GenerateNow(*engine, NewSession(*engine), {1, 2, 3}, Endless(12));
  ASSERT_OK(whole.result);
  const auto session = NewSession(*engine);
  const auto first = GenerateNow(*engine, session, {1, 2, 3}, Endless(5));
  const auto second = GenerateNow(*engine, session, {}, Endless(7));
  ASSERT_OK(first.result);
  ASSERT_OK(second.result);
  auto tokens = first.result->tokens;
  tokens.insert(tokens.end(), second.result->tokens.begin(), second.result->tokens.end());
  EXPECT_TRUE(tokens == whole.result->tokens);
  // Also when the last token is in the cache already.
  ASSERT_OK(Wait([&](auto done) { engine->Truncate(session, 8, done); }));
  const auto again = GenerateNow(*engine, session, {}, Endless(7));
  ASSERT_OK(again.result);
  EXPECT_TRUE(again.result->tokens == second.result->tokens);
}

TEST(Generate, SeedsRepeatAndDiffer) {
  const auto engine = OpenTiny({});
  ASSERT_TRUE(engine != nullptr);
  GenerateOptions options = Endless(20);
  options.sampling.temperature = 1.0;
  options.sampling.seed = 5;
  const auto a = GenerateNow(*engine, NewSession(*engine), {1}, options);
  const auto b = GenerateNow(*engine, NewSession(*engine), {1}, options);
  options.sampling.seed = 6;
  const auto c = GenerateNow(*engine, NewSession(*engine), {1}, options);
  ASSERT_OK(a.result);
  EXPECT_TRUE(a.result->tokens == b.result->tokens);
  EXPECT_FALSE(a.result->tokens == c.result->tokens);
}

TEST(Generate, StopsBeforeTheStopText) {
  const auto engine = OpenForTest(testing::DemoModel());
  ASSERT_TRUE(engine != nullptr);
  const auto prompt = engine->tokenizer().Encode("Once upon a time, there was a little",
                                                 {.add_special = true});
  GenerateOptions options = Endless(40);
  const auto free = GenerateNow(*engine, NewSession(*engine), prompt, options);
  ASSERT_OK(free.result);
  // "outside" is cut in the middle of a word; the text before it must come out whole.
  const auto at = free.result->text.find("utside");
  ASSERT_TRUE(at != std::string::npos);
  options.stop = {"never said", "utside"};
  const auto stopped = GenerateNow(*engine, NewSession(*engine), prompt, options);
  ASSERT_OK(stopped.result);
  EXPECT_TRUE(stopped.result->reason == FinishReason::kStop);
  EXPECT_EQ(stopped.result->text, free.result->text.substr(0, at));
  EXPECT_EQ(stopped.streamed, stopped.result->text);
}

TEST(Generate, WritesTheReferenceStory) {
  const auto engine = OpenForTest(testing::DemoModel());
  ASSERT_TRUE(engine != nullptr);
  const std::vector<TokenId> prompt{0, 708, 533, 259, 475, 45, 492, 308, 259, 607};
  EXPECT_TRUE(engine->tokenizer().Encode("Once upon a time, there was a little",
                                         {.add_special = true}) == prompt);
  GenerateOptions options;
  options.max_tokens = 11;  // the reference's margins are wide up to here
  for (const Mode mode : {Mode::kDense, Mode::kExact}) {
    options.mode = mode;
    const auto story = GenerateNow(*engine, NewSession(*engine), prompt, options);
    ASSERT_OK(story.result);
    EXPECT_TRUE(story.result->tokens ==
                (std::vector<TokenId>{778, 574, 866, 47, 401, 738, 277, 549, 979, 293, 262}));
    EXPECT_EQ(story.result->text, std::string(" girl named Lily. She loved to play outside in the"));
  }
}

TEST(Generate, AbortsAtAnyMomentAndReturnsWhatThereIs) {
  TinyModel model;
  model.context = 4096;
  const auto engine = OpenTiny(model);
  ASSERT_TRUE(engine != nullptr);
  for (int delay = 0; delay < 12; ++delay) {
    const auto session = NewSession(*engine);
    GenerateOptions options = Endless();
    options.cancel = std::make_shared<std::atomic<bool>>(false);
    std::thread aborter([cancel = options.cancel, delay] {
      std::this_thread::sleep_for(std::chrono::microseconds(delay * delay * 300));
      *cancel = true;
    });
    const auto generated =
        GenerateNow(*engine, session, std::vector<TokenId>(2000, 65), options);
    aborter.join();
    ASSERT_OK(generated.result);
    EXPECT_TRUE(generated.result->reason == FinishReason::kAborted ||
                generated.result->reason == FinishReason::kContext);
    EXPECT_TRUE(generated.streamed_tokens == generated.result->tokens);
    // The session goes on.
    EXPECT_OK(GenerateNow(*engine, NewSession(*engine), {1}, Endless(1)).result);
  }
}

TEST(Generate, ManySessionsAtOnceSayWhatEachSaysAlone) {
  const auto engine = OpenTiny({});
  ASSERT_TRUE(engine != nullptr);
  constexpr int kSessions = 9;
  std::vector<std::vector<TokenId>> alone;
  for (int i = 0; i < kSessions; ++i) {
    auto generated = GenerateNow(*engine, NewSession(*engine), {i, 2 * i}, Endless(15));
    ASSERT_OK(generated.result);
    alone.push_back(generated.result->tokens);
  }
  std::vector<std::vector<TokenId>> together(kSessions);
  std::vector<std::thread> callers;
  for (int i = 0; i < kSessions; ++i) {
    callers.emplace_back([&, i] {
      GenerateOptions options = Endless(15);
      options.mode = i % 2 == 0 ? Mode::kExact : Mode::kDense;
      auto generated = GenerateNow(*engine, NewSession(*engine), {i, 2 * i}, options);
      if (generated.result.ok()) together[static_cast<size_t>(i)] = generated.result->tokens;
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_TRUE(together == alone);
}

TEST(Generate, WorkOnOneSessionKeepsItsOrder) {
  const auto engine = OpenTiny({});
  ASSERT_TRUE(engine != nullptr);
  const auto session = NewSession(*engine);
  std::atomic<int> order{0};
  int generate_at = 0, truncate_at = 0;
  std::promise<void> last;
  engine->Generate(session, {1, 2}, Endless(30), [](auto, auto) {},
                   [&](auto) { generate_at = ++order; });
  engine->Truncate(session, 1, [&](auto) { truncate_at = ++order; });
  engine->CloseSession(NewSession(*engine), [](auto) {});
  engine->Step({{session, {3}, {0}}}, {}, [&](auto result) {
    EXPECT_OK(result);
    last.set_value();
  });
  last.get_future().get();
  EXPECT_EQ(generate_at, 1);
  EXPECT_EQ(truncate_at, 2);
  EXPECT_TRUE(session->tokens() == (std::vector<TokenId>{1, 3}));
}

TEST(Generate, ClosingEndsEverythingExactlyOnce) {
  TinyModel model;
  model.context = 4096;
  for (int round = 0; round < 10; ++round) {
    auto engine = OpenTiny(model);
    ASSERT_TRUE(engine != nullptr);
    std::atomic<int> ended{0};
    for (int i = 0; i < 6; ++i) {
      engine->Generate(NewSession(*engine), {i}, Endless(), [](auto, auto) {},
                       [&](auto) { ++ended; });
    }
    std::this_thread::sleep_for(std::chrono::microseconds(round * 400));
    std::thread closer([&] { engine->Close(); });
    engine->Close();
    closer.join();
    EXPECT_EQ(ended.load(), 6);
    EXPECT_STATUS(engine->CreateSession({}), StatusCode::kClosed);
    EXPECT_EQ(engine->memory().front().used, 0U);
  }
}

TEST(Generate, ClosingASessionStopsItsWork) {
  TinyModel model;
  model.context = 4096;
  const auto engine = OpenTiny(model);
  ASSERT_TRUE(engine != nullptr);
  const auto session = NewSession(*engine);
  std::promise<FinishReason> reason;
  engine->Generate(session, {1}, Endless(), [](auto, auto) {}, [&](auto result) {
    reason.set_value(result.ok() ? result->reason : FinishReason::kEos);
  });
  ASSERT_OK(Wait([&](auto done) { engine->CloseSession(session, done); }));
  EXPECT_TRUE(reason.get_future().get() == FinishReason::kAborted);
  EXPECT_STATUS(GenerateNow(*engine, session, {1}).result, StatusCode::kClosed);
}

}  // namespace
}  // namespace thermocline
