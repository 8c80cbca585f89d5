#include "train/score_curve.h"

#include <random>

#include "io/test_files.h"
#include "train/samples_testing.h"

namespace thermocline {
namespace {

using testing::SampleShard;
using testing::TempFolder;

constexpr int64_t kWidth = 16;
constexpr int64_t kNeurons = 45;

std::string RandomSamples(int64_t rows) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  SampleShard shard(kWidth, kNeurons);
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<float> state(kWidth), h(kNeurons);
    for (float& value : state) value = normal(random);
    for (size_t n = 0; n < h.size(); ++n) {
      h[n] = std::max(0.0F, state[n % kWidth] + normal(random) - 1);
    }
    shard.Add(state, h);
  }
  return shard.Bytes();
}

// Neuron n's score is the state in column n mod kWidth, times something of its own.
void Score(const float* x, int64_t n_tokens, float* scores) {
  for (int64_t t = 0; t < n_tokens; ++t) {
    for (int64_t n = 0; n < kNeurons; ++n) {
      scores[t * kNeurons + n] = x[t * kWidth + n % kWidth] * (1 + 0.01F * static_cast<float>(n));
    }
  }
}

struct Setup {
  TempFolder folder;
  SampleReader samples;
  std::vector<float> norms, thresholds;

  explicit Setup(int64_t rows)
      : samples(SampleReader::Open({folder.Write("0", RandomSamples(rows))}).value()) {
    for (int64_t n = 0; n < kNeurons; ++n) {
      norms.push_back(1 + static_cast<float>(n % 5));
      thresholds.push_back(0.1F * static_cast<float>(n % 3));
    }
  }
};

TEST(ScoreCurve, CountsWhatBruteForceCounts) {
  const Setup setup(1300);
  ThreadPool pool(2);
  const auto curve = MeasureScoreCurve(setup.samples, setup.norms, setup.thresholds, Score, 64, {},
                                       pool);
  ASSERT_OK(curve);
  EXPECT_EQ(curve->tokens, 1300);
  EXPECT_LE(curve->shifts.size(), 64U);
  EXPECT_GE(curve->shifts.size(), 50U);

  std::vector<uint32_t> rows(1300);
  for (uint32_t i = 0; i < rows.size(); ++i) rows[i] = i;
  std::vector<float> x(rows.size() * kWidth), h(rows.size() * kNeurons), scores(h.size());
  setup.samples.Expand(rows, x.data(), h.data(), pool);
  Score(x.data(), 1300, scores.data());
  for (size_t point = 0; point < curve->shifts.size(); ++point) {
    uint64_t predicted = 0, hits = 0, firing = 0;
    double value = 0, all = 0;
    for (size_t i = 0; i < h.size(); ++i) {
      const size_t n = i % kNeurons;
      const bool above = scores[i] - setup.thresholds[n] > curve->shifts[point];
      const double worth = static_cast<double>(h[i]) * static_cast<double>(setup.norms[n]);
      predicted += above ? 1 : 0;
      hits += above && h[i] > 0 ? 1 : 0;
      firing += h[i] > 0 ? 1 : 0;
      value += above ? worth : 0;
      all += worth;
    }
    EXPECT_EQ(curve->predicted[point], predicted);
    EXPECT_EQ(curve->hits[point], hits);
    EXPECT_EQ(curve->firing, firing);
    EXPECT_NEAR(curve->hit_value[point], value, 1e-9 * all);
    EXPECT_NEAR(curve->firing_value, all, 1e-9 * all);
  }
  EXPECT_EQ(curve->predicted[0], 1300U * kNeurons);
  EXPECT_EQ(curve->hits[0], curve->firing);
  for (size_t i = 1; i < curve->shifts.size(); ++i) {
    EXPECT_LT(curve->shifts[i - 1], curve->shifts[i]);
  }
}

TEST(ScoreCurve, GivesTheSameBitsForAnyNumberOfThreads) {
  const Setup setup(700);
  ThreadPool one(1), five(5);
  const auto a = MeasureScoreCurve(setup.samples, setup.norms, setup.thresholds, Score, 200, {}, one);
  const auto b =
      MeasureScoreCurve(setup.samples, setup.norms, setup.thresholds, Score, 200, {}, five);
  ASSERT_OK(a);
  ASSERT_OK(b);
  EXPECT_TRUE(a->shifts == b->shifts);
  EXPECT_TRUE(a->predicted == b->predicted);
  EXPECT_TRUE(a->hits == b->hits);
  EXPECT_TRUE(a->hit_value == b->hit_value);
}

TEST(ScoreCurve, GivesFewerPointsWhereScoresRepeat) {
  const Setup setup(50);
  ThreadPool pool(1);
  const auto constant = [](const float*, int64_t n_tokens, float* scores) {
    std::fill_n(scores, n_tokens * kNeurons, 2.0F);
  };
  const float threshold = 1.5F;
  const auto curve =
      MeasureScoreCurve(setup.samples, setup.norms, {&threshold, 1}, constant, 100, {}, pool);
  ASSERT_OK(curve);
  ASSERT_EQ(curve->shifts.size(), 2U);
  EXPECT_EQ(curve->predicted[0], 50U * kNeurons);
  EXPECT_EQ(curve->shifts[1], 0.5F);
  EXPECT_EQ(curve->predicted[1], 0U);
}

TEST(ScoreCurve, PlacesScoresOfAnyMagnitude) {
  const Setup setup(300);
  ThreadPool pool(1);
  const float zero = 0;
  for (const float factor : {1e-42F, 1e-20F, 1e20F, 6e37F}) {
    const auto scaled = [&](const float* x, int64_t n_tokens, float* scores) {
      Score(x, n_tokens, scores);
      for (int64_t i = 0; i < n_tokens * kNeurons; ++i) scores[i] *= factor;
      if (n_tokens > 0) scores[0] = 3e38F, scores[1] = -3e38F;
    };
    const auto curve =
        MeasureScoreCurve(setup.samples, setup.norms, {&zero, 1}, scaled, 64, {}, pool);
    ASSERT_OK(curve);
    EXPECT_EQ(curve->predicted[0], 300U * kNeurons);
    for (size_t i = 1; i < curve->shifts.size(); ++i) {
      EXPECT_LE(curve->predicted[i], curve->predicted[i - 1]);
    }
  }
}

TEST(ScoreCurve, RefusesWhatItCannotMeasure) {
  const Setup setup(10);
  ThreadPool pool(1);
  const float zero = 0;
  const auto status = [&](std::span<const float> norms, int64_t points, const Scorer& scorer,
                          const Running& running) {
    return MeasureScoreCurve(setup.samples, norms, {&zero, 1}, scorer, points, running, pool)
        .status();
  };
  EXPECT_OK(status(setup.norms, 3, Score, {}));
  EXPECT_STATUS(status(setup.norms, 2, Score, {}), StatusCode::kInvalidArgument);
  EXPECT_STATUS(status(setup.norms, 1025, Score, {}), StatusCode::kInvalidArgument);
  EXPECT_STATUS(status({setup.norms.data(), 3}, 64, Score, {}), StatusCode::kInvalidArgument);
  const auto broken = [](const float* x, int64_t n_tokens, float* scores) {
    Score(x, n_tokens, scores);
    scores[n_tokens * kNeurons - 1] = std::nanf("");
  };
  EXPECT_STATUS(status(setup.norms, 64, broken, {}), StatusCode::kInvalidArgument);
  const std::atomic<bool> cancel{true};
  EXPECT_STATUS(status(setup.norms, 64, Score, {&cancel, nullptr}), StatusCode::kAborted);
}

}  // namespace
}  // namespace thermocline
