#include "engine/observer.h"

#include <cmath>
#include <thread>

#include "engine/engine_testing.h"
#include "engine/sum_observer.h"

namespace thermocline {
namespace {

using testing::NewSession;
using testing::OpenTiny;
using testing::StepNow;

const std::vector<TokenId> kText{5, 99, 3, 200, 41, 7, 7, 18};

StepOptions Watched(std::shared_ptr<Observer> observer) {
  StepOptions options;
  options.observer = std::move(observer);
  return options;
}

TEST(Observer, HandsOutChosenLayersAndStreamsWithTheirPlace) {
  const auto engine = OpenTiny({});
  ASSERT_TRUE(engine != nullptr);
  auto observer = std::make_shared<QueueObserver>(
      std::vector<int64_t>{1}, std::vector<Stream>{Stream::kActivation, Stream::kResidual}, 1000);
  observer->Label({42, 43}, {100, 0});
  ASSERT_OK(StepNow(*engine, {{NewSession(*engine), kText, {}}, {NewSession(*engine), {1}, {}}},
                    Watched(observer)));
  observer->Finish();
  std::vector<ObservationBatch> batches;
  while (auto batch = observer->Pop()) batches.push_back(std::move(*batch));
  ASSERT_EQ(batches.size(), 4U);
  EXPECT_TRUE(batches[0].stream == Stream::kResidual);
  EXPECT_EQ(batches[0].width, 64);
  EXPECT_EQ(batches[0].documents.size(), kText.size());
  EXPECT_EQ(batches[0].documents.back(), 42U);
  EXPECT_EQ(batches[0].positions.back(), 107U);
  EXPECT_EQ(batches[1].documents.front(), 43U);
  EXPECT_TRUE(batches[2].stream == Stream::kActivation);
  EXPECT_EQ(batches[2].width, 288);
  EXPECT_EQ(batches[2].layer, 1);
  EXPECT_EQ(batches[2].values.size(), 288 * kText.size());
}

TEST(Observer, WatchingChangesNothingAndBatchesAgree) {
  const auto engine = OpenTiny({});
  ASSERT_TRUE(engine != nullptr);
  const auto plain = testing::AllLogits(*engine, NewSession(*engine), kText);
  const auto sums = std::make_shared<SumObserver>(engine->info().model.n_ff);
  auto watched = StepNow(*engine, {{NewSession(*engine), kText, {7}}}, Watched(sums));
  ASSERT_OK(watched);
  EXPECT_TRUE(watched->front().logits.front() == plain.back());
  const auto singly = std::make_shared<SumObserver>(engine->info().model.n_ff);
  const auto session = NewSession(*engine);
  std::vector<uint64_t> fired(2, 0);
  for (const TokenId token : kText) {
    auto step = StepNow(*engine, {{session, {token}, {}}}, Watched(singly));
    ASSERT_OK(step);
    for (size_t l = 0; l < 2; ++l) fired[l] += step->front().stats.fired[l];
  }
  for (size_t l = 0; l < 2; ++l) {
    const SumObserver::Layer& together = sums->layers()[l];
    const SumObserver::Layer& alone = singly->layers()[l];
    EXPECT_EQ(together.tokens, 8);
    EXPECT_EQ(alone.tokens, 8);
    EXPECT_TRUE(together.fires == alone.fires);
    int64_t total = 0;
    for (const int64_t count : together.fires) total += count;
    EXPECT_EQ(static_cast<uint64_t>(total), fired[l]);
    EXPECT_EQ(watched->front().stats.fired[l], fired[l]);
    for (size_t i = 0; i < 288; ++i) EXPECT_NEAR(together.abs_sum[i], alone.abs_sum[i], 1e-12);
  }
}

TEST(Observer, AFullQueueMakesTheEngineWait) {
  const auto engine = OpenTiny({});
  ASSERT_TRUE(engine != nullptr);
  auto observer = std::make_shared<QueueObserver>(std::vector<int64_t>{},
                                                  std::vector<Stream>{Stream::kFfnInput}, 8);
  observer->Label({0}, {0});
  std::atomic<bool> done{false};
  engine->Step({{NewSession(*engine), kText, {}}}, Watched(observer), [&](auto result) {
    EXPECT_OK(result);
    done = true;
    observer->Finish();
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_FALSE(done.load());  // two layers of eight rows do not fit
  int64_t rows = 0;
  while (auto batch = observer->Pop()) rows += static_cast<int64_t>(batch->positions.size());
  EXPECT_EQ(rows, 16);
  EXPECT_TRUE(done.load());
}

TEST(Observer, AReaderThatLeavesOrAnEngineThatClosesEndsTheStep) {
  for (const bool close_engine : {false, true}) {
    const auto engine = OpenTiny({});
    ASSERT_TRUE(engine != nullptr);
    auto observer = std::make_shared<QueueObserver>(std::vector<int64_t>{},
                                                    std::vector<Stream>{Stream::kFfnInput}, 1);
    observer->Label({0}, {0});
    std::promise<StatusCode> code;
    engine->Step({{NewSession(*engine), kText, {}}}, Watched(observer),
                 [&](auto result) { code.set_value(result.status().code()); });
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    if (close_engine) {
      engine->Close();
    } else {
      observer->Cancel();
    }
    const StatusCode ended = code.get_future().get();
    EXPECT_TRUE(ended == (close_engine ? StatusCode::kClosed : StatusCode::kAborted));
  }
}

}  // namespace
}  // namespace thermocline
