#include "train/train_mlp.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "io/test_files.h"
#include "train/samples_testing.h"
#include "train/score_scales.h"

namespace thermocline {
namespace {

using testing::SampleShard;
using testing::TempFolder;

constexpr int64_t kWidth = 24, kNeurons = 48, kFactors = 6;

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  float Normal() {
    double sum = -6;  // near enough, and the same everywhere
    for (int i = 0; i < 12; ++i) sum += static_cast<double>(engine_()) * 0x1p-32;
    return static_cast<float>(sum);
  }
  std::vector<float> Normals(int64_t n, float scale) {
    std::vector<float> values(static_cast<size_t>(n));
    for (float& v : values) v = scale * Normal();
    return values;
  }

 private:
  std::mt19937 engine_;
};

// Neurons that hear a few hidden factors only, and fire where their sum is high.
SampleReader Planted(const TempFolder& folder, uint32_t seed, int64_t rows) {
  Random weights(1), states(seed);
  const std::vector<float> factors = weights.Normals(kFactors * kWidth, 0.2F);
  const std::vector<float> loads = weights.Normals(kNeurons * kFactors, 0.4F);
  SampleShard shard(kWidth, kNeurons);
  for (int64_t row = 0; row < rows; ++row) {
    const std::vector<float> state = states.Normals(kWidth, 1);
    std::vector<float> h(kNeurons, -1.0F);
    for (size_t f = 0; f < kFactors; ++f) {
      float factor = 0;
      for (size_t c = 0; c < kWidth; ++c) factor += factors[f * kWidth + c] * state[c];
      for (size_t n = 0; n < kNeurons; ++n) h[n] += loads[n * kFactors + f] * factor;
    }
    for (float& v : h) v = std::max(v, 0.0F);
    shard.Add(state, h);
  }
  auto reader = SampleReader::Open({folder.Write(std::to_string(seed), shard.Bytes())});
  EXPECT_OK(reader);
  return std::move(*reader);
}

MlpWeights RandomWeights(int64_t rank, uint32_t seed = 3) {
  Random random(seed);
  return {kWidth, rank, kNeurons, random.Normals(rank * kWidth, 0.2F),
          random.Normals(kNeurons * rank, 0.1F), std::vector<float>(kNeurons, -1.0F)};
}

struct Bench {
  TempFolder folder;
  SampleReader train, held_out;
  std::vector<float> norms = std::vector<float>(kNeurons, 1.0F);
  MlpOptions options;

  explicit Bench(int64_t train_rows = 3000)
      : train(Planted(folder, 5, train_rows)), held_out(Planted(folder, 6, 500)) {
    options.batch = 64;
    options.learning_rate = 0.03;
    options.loss.price = 0.2F;
  }
  Result<MlpFit> Fit(MlpWeights start, int threads = 2) const {
    ThreadPool pool(threads);
    return TrainMlp(train, held_out, norms, std::move(start), options, *SelectKernels("auto"),
                    pool);
  }
  // Held-out loss per token.
  double HeldOutLoss(const MlpWeights& w) const {
    ThreadPool pool(1);
    std::vector<uint32_t> rows;
    for (uint32_t i = 0; i < held_out.rows(); ++i) rows.push_back(i);
    std::vector<float> x(rows.size() * kWidth), h(rows.size() * kNeurons);
    held_out.Expand(rows, x.data(), h.data(), pool);
    MlpStep step({w.d_model, w.rank, w.n_ff, options.relu}, options.loss, norms, held_out.rows(),
                 ReferenceKernels(), pool);
    return step.Loss({w.down.data(), w.up.data(), w.bias.data()}, x.data(), h.data(),
                     held_out.rows()) /
           static_cast<double>(held_out.rows());
  }
};

struct Found {
  double value_recall, over_prediction;
};

// Of the neurons whose score is above 0.
Found Judge(const SampleReader& samples, const MlpWeights& w, bool relu) {
  ThreadPool pool(1);
  double value = 0, found = 0, firing = 0, predicted = 0;
  for (uint32_t row = 0; row < samples.rows(); ++row) {
    std::vector<float> x(kWidth), h(kNeurons), hidden;
    samples.Expand({&row, 1}, x.data(), h.data(), pool);
    for (size_t r = 0; r < static_cast<size_t>(w.rank); ++r) {
      float z = 0;
      for (size_t c = 0; c < kWidth; ++c) z += w.down[r * kWidth + c] * x[c];
      hidden.push_back(relu ? std::max(z, 0.0F) : z);
    }
    for (size_t n = 0; n < kNeurons; ++n) {
      float s = w.bias[n];
      for (size_t r = 0; r < hidden.size(); ++r) s += w.up[n * hidden.size() + r] * hidden[r];
      value += static_cast<double>(h[n]);
      firing += h[n] > 0 ? 1 : 0;
      predicted += s > 0 ? 1 : 0;
      found += s > 0 ? static_cast<double>(h[n]) : 0;
    }
  }
  return {found / value, predicted / firing};
}

TEST(TrainMlp, LearnsAPlantedProblem) {
  for (const bool relu : {true, false}) {
    Bench bench;
    bench.options.relu = relu;
    bench.options.epochs = 30;
    bench.options.loss.price = 0.03F;
    const auto fit = bench.Fit(RandomWeights(relu ? 2 * kFactors : kFactors));
    ASSERT_OK(fit);
    const MlpPass& best = fit->passes[static_cast<size_t>(fit->best)];
    EXPECT_LT(best.held_out_loss, 0.5 * fit->start_loss);
    EXPECT_LT(std::fabs(best.train_loss / best.held_out_loss - 1), 0.2);
    const Found found = Judge(bench.held_out, fit->weights, relu);
    EXPECT_GE(found.value_recall, 0.97);
    EXPECT_LE(found.over_prediction, 1.4);
  }
}

TEST(TrainMlp, ThreadsAndRepeatsChangeNoBit) {
  Bench bench(700);
  std::vector<MlpFit> fits;
  for (const int threads : {1, 2, 3, 2}) {
    auto fit = bench.Fit(RandomWeights(9), threads);
    ASSERT_OK(fit);
    fits.push_back(std::move(*fit));
  }
  for (const MlpFit& fit : fits) {
    EXPECT_TRUE(fit.weights.down == fits[0].weights.down);
    EXPECT_TRUE(fit.weights.up == fits[0].weights.up);
    EXPECT_TRUE(fit.weights.bias == fits[0].weights.bias);
    EXPECT_EQ(fit.passes.back().train_loss, fits[0].passes.back().train_loss);
  }
  bench.options.seed = 1;
  const auto other = bench.Fit(RandomWeights(9));
  ASSERT_OK(other);
  EXPECT_FALSE(other->weights.up == fits[0].weights.up);
}

TEST(TrainMlp, BalancingChangesNoScore) {
  Bench bench(64);
  MlpWeights w = RandomWeights(5);
  for (size_t i = 0; i < w.up.size(); ++i) {
    w.up[i] *= static_cast<float>(i % 5 == 2 ? 0 : i % 5 + 1);
  }
  const double before = bench.HeldOutLoss(w);
  BalanceUnits(&w);
  for (size_t r = 0; r < 5; ++r) {
    double square = 0;
    for (size_t n = 0; n < kNeurons; ++n) {
      square += static_cast<double>(w.up[n * 5 + r]) * static_cast<double>(w.up[n * 5 + r]);
    }
    EXPECT_NEAR(square, r == 2 ? 0 : 1, 1e-5);
  }
  EXPECT_NEAR(bench.HeldOutLoss(w) / before, 1.0, 1e-6);
}

TEST(TrainMlp, ScoresAreScaledToTheirLeastLoss) {
  Bench bench;
  bench.options.epochs = 10;
  auto fit = bench.Fit(RandomWeights(12));
  ASSERT_OK(fit);
  MlpWeights off = fit->weights;
  for (float& v : off.up) v *= 0.3F;
  for (float& v : off.bias) v = 0.3F * v + 1;
  const auto scale = [&](MlpWeights w, int threads) {
    ThreadPool pool(threads);
    EXPECT_OK(FitScoreScales(bench.train, bench.norms, bench.options.loss, true, 2000,
                             *SelectKernels("auto"), {}, pool, &w));
    return w;
  };
  const MlpWeights found = scale(off, 2);
  EXPECT_LT(bench.HeldOutLoss(found), 1.02 * bench.HeldOutLoss(fit->weights));
  EXPECT_LT(bench.HeldOutLoss(found), 0.7 * bench.HeldOutLoss(off));
  const MlpWeights again = scale(found, 1);
  EXPECT_NEAR(bench.HeldOutLoss(again) / bench.HeldOutLoss(found), 1.0, 0.03);
  EXPECT_TRUE(scale(off, 1).up == found.up);
  EXPECT_TRUE(scale(off, 3).bias == found.bias);
}

// A few samples, learnt by heart: the held-out loss falls, then rises.
TEST(TrainMlp, StopsEarlyAndKeepsTheBestPass) {
  Bench bench(96);
  bench.options.epochs = 400;
  bench.options.warm_up_steps = 0;
  bench.options.batch = 32;
  const auto fit = bench.Fit(RandomWeights(16));
  ASSERT_OK(fit);
  const auto lowest = std::min_element(
      fit->passes.begin(), fit->passes.end(),
      [](const MlpPass& a, const MlpPass& b) { return a.held_out_loss < b.held_out_loss; });
  EXPECT_EQ(fit->best, static_cast<int>(lowest - fit->passes.begin()));
  EXPECT_EQ(static_cast<int>(fit->passes.size()), fit->best + 1 + bench.options.patience);
  EXPECT_LT(fit->passes.back().train_loss, lowest->train_loss);
  EXPECT_EQ(fit->steps, 3 * static_cast<int64_t>(fit->passes.size()));
  EXPECT_NEAR(bench.HeldOutLoss(fit->weights) / lowest->held_out_loss, 1.0, 1e-5);
}

TEST(TrainMlp, KeepsTheStartWhenNoPassIsBetter) {
  Bench bench(96);
  bench.options.learning_rate = 30;
  bench.options.bias_rate = 30;
  bench.options.warm_up_steps = 0;
  const auto fit = bench.Fit(RandomWeights(4));
  ASSERT_OK(fit);
  EXPECT_EQ(fit->best, -1);
  EXPECT_TRUE(fit->weights.up == RandomWeights(4).up);
}

TEST(TrainMlp, TellsHowFarItIsAndStopsWhenAsked) {
  Bench bench(640);
  std::vector<double> fractions, losses;
  bench.options.progress = [&](double fraction, double loss) {
    fractions.push_back(fraction);
    losses.push_back(loss);
  };
  ASSERT_OK(bench.Fit(RandomWeights(4)));
  EXPECT_TRUE(std::is_sorted(fractions.begin(), fractions.end()));
  EXPECT_EQ(fractions.front(), 0.0);
  EXPECT_EQ(fractions.back(), 1.0);
  EXPECT_TRUE(std::isnan(losses.front()));
  EXPECT_TRUE(std::isfinite(losses.back()));

  std::atomic<bool> cancel = false;
  int calls = 0;
  bench.options.cancel = &cancel;
  bench.options.progress = [&](double, double) { cancel = ++calls == 5; };
  EXPECT_STATUS(bench.Fit(RandomWeights(4)), StatusCode::kAborted);
  EXPECT_EQ(calls, 5);
}

TEST(TrainMlp, RefusesWhatCannotBeTrained) {
  const Bench bench(64);
  const auto refused = [&](const MlpWeights& start) {
    EXPECT_STATUS(bench.Fit(start), StatusCode::kInvalidArgument);
  };
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), INFINITY}) {
    for (auto matrix : {&MlpWeights::down, &MlpWeights::up, &MlpWeights::bias}) {
      MlpWeights start = RandomWeights(4);
      (start.*matrix)[2] = bad;
      refused(start);
    }
  }
  for (auto matrix : {&MlpWeights::down, &MlpWeights::up, &MlpWeights::bias}) {
    MlpWeights start = RandomWeights(4);
    (start.*matrix).pop_back();
    refused(start);
  }
  MlpWeights silent = RandomWeights(4);
  std::fill(silent.up.begin(), silent.up.end(), 0.0F);
  refused(silent);
  MlpWeights other = RandomWeights(4);
  other.d_model = kWidth / 2;
  other.rank = 8;
  refused(other);
  // Far beyond what float holds once it is multiplied.
  MlpWeights huge = RandomWeights(4);
  std::fill(huge.up.begin(), huge.up.end(), 3e38F);
  std::fill(huge.down.begin(), huge.down.end(), 3e38F);
  refused(huge);
}

TEST(TrainMlp, RefusesOptionsOutOfRange) {
  Bench bench(64);
  const MlpOptions sound = bench.options;
  const auto refused = [&](auto change) {
    bench.options = sound;
    change(bench.options);
    EXPECT_STATUS(bench.Fit(RandomWeights(4)), StatusCode::kInvalidArgument);
  };
  refused([](MlpOptions& o) { o.epochs = 0; });
  refused([](MlpOptions& o) { o.patience = 0; });
  refused([](MlpOptions& o) { o.batch = 0; });
  refused([](MlpOptions& o) { o.warm_up_steps = -1; });
  refused([](MlpOptions& o) { o.learning_rate = NAN; });
  refused([](MlpOptions& o) { o.bias_rate = 0; });
  refused([](MlpOptions& o) { o.loss.price = 0; });
  refused([](MlpOptions& o) { o.loss.most = INFINITY; });
  bench.options = sound;
  bench.norms[3] = -1;
  EXPECT_STATUS(bench.Fit(RandomWeights(4)), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace thermocline
