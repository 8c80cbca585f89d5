#include "train/neuron_thresholds.h"

#include <random>

#include "io/test_files.h"
#include "train/samples_testing.h"

namespace thermocline {
namespace {

using testing::SampleShard;
using testing::TempFolder;

constexpr int64_t kNeurons = 40;

// Neuron n fires with value 2 when the first state is above n / 40; its score is that state on a
// scale of its own.
float Score(float state, int64_t n) { return state * static_cast<float>(1 + n % 7) + static_cast<float>(n); }

SampleReader Samples(const TempFolder& folder, int64_t rows) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  SampleShard shard(1, kNeurons);
  for (int64_t row = 0; row < rows; ++row) {
    const float state = F16ToF32(F32ToF16(normal(random)));
    std::vector<float> h;
    for (int64_t n = 0; n < kNeurons; ++n) h.push_back(state > static_cast<float>(n) / 40 ? 2.0F : 0);
    shard.Add({state}, h);
  }
  return SampleReader::Open({folder.Write("0", shard.Bytes())}).value();
}

void Scores(const float* x, int64_t n_tokens, float* scores) {
  for (int64_t t = 0; t < n_tokens; ++t) {
    for (int64_t n = 0; n < kNeurons; ++n) scores[t * kNeurons + n] = Score(x[t], n);
  }
}

TEST(NeuronThresholds, LieWherePredictingBeginsToPay) {
  const TempFolder folder;
  const SampleReader samples = Samples(folder, 8000);
  const std::vector<float> norms(kNeurons, 1.0F);
  ThreadPool pool(2);
  const auto found = BestThresholds(samples, norms, Scores, 0.5, 8000, {}, pool);
  ASSERT_OK(found);
  for (int64_t n = 0; n < kNeurons; ++n) {
    // Within a bin or two, 1/12 of a deviation each.
    const float scale = static_cast<float>(1 + n % 7);
    const float exact = Score(static_cast<float>(n) / 40, n);
    EXPECT_NEAR((*found)[static_cast<size_t>(n)], exact, 0.2F * scale);
  }
  ThreadPool one(1);
  const auto again = BestThresholds(samples, norms, Scores, 0.5, 8000, {}, one);
  ASSERT_OK(again);
  EXPECT_TRUE(*found == *again);
}

TEST(NeuronThresholds, AreAboveEverythingWhereNothingPays) {
  const TempFolder folder;
  const SampleReader samples = Samples(folder, 500);
  ThreadPool pool(1);
  const auto dear = BestThresholds(samples, std::vector<float>(kNeurons, 1.0F), Scores, 3, 500, {}, pool);
  ASSERT_OK(dear);
  for (int64_t n = 0; n < kNeurons; ++n) {
    EXPECT_GT((*dear)[static_cast<size_t>(n)], Score(3.5F, n));
  }
  const auto free = BestThresholds(samples, std::vector<float>(kNeurons, 1.0F), Scores, 0, 500, {}, pool);
  ASSERT_OK(free);
  const std::atomic<bool> cancel{true};
  EXPECT_STATUS(BestThresholds(samples, std::vector<float>(kNeurons, 1.0F), Scores, 1, 500,
                               {&cancel, nullptr}, pool),
                StatusCode::kAborted);
}

}  // namespace
}  // namespace thermocline
