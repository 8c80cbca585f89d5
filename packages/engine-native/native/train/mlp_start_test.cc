#include "train/mlp_start.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "util/testing.h"

namespace thermocline {
namespace {

constexpr int64_t kWidth = 32, kNeurons = 80, kRank = 12;

// States around a mean of their own, and a first matrix over them.
struct Layer {
  InputMoments inputs;
  std::vector<float> weights, bias;
  std::vector<std::vector<float>> states;

  explicit Layer(float mean) {
    std::mt19937 random(3);
    const auto draw = [&] {
      double sum = -6;
      for (int i = 0; i < 12; ++i) sum += static_cast<double>(random()) * 0x1p-32;
      return static_cast<float>(sum);
    };
    for (int64_t c = 0; c < kWidth; ++c) inputs.mean.push_back(mean * draw());
    inputs.covariance.resize(static_cast<size_t>(kWidth * kWidth));
    for (size_t c = 0; c < kWidth; ++c) {
      inputs.covariance[c * kWidth + c] = 1 / static_cast<float>(c + 1);
    }
    for (int i = 0; i < 1000; ++i) {
      states.push_back(inputs.mean);
      for (size_t c = 0; c < kWidth; ++c) {
        states.back()[c] += draw() / std::sqrt(static_cast<float>(c + 1));
      }
    }
    for (int64_t i = 0; i < kNeurons * kWidth; ++i) weights.push_back(draw());
    for (int64_t n = 0; n < kNeurons; ++n) bias.push_back(draw());
  }
  MlpWeights Start(bool relu, int64_t rank = kRank) const {
    ThreadPool pool(1);
    const auto f = Factorise(weights, inputs.covariance, kNeurons, kWidth, rank,
                             *SelectKernels("auto"), {}, pool);
    EXPECT_OK(f);
    return StartFromFactorisation(*f, inputs, weights, bias, relu);
  }
};

struct Scores {
  std::vector<float> values;
  int cut = 0;  // hidden units below zero
};

Scores ScoresOf(const MlpWeights& w, const std::vector<float>& x, bool relu) {
  std::vector<double> hidden;
  Scores scores;
  for (size_t r = 0; r < static_cast<size_t>(w.rank); ++r) {
    double z = 0;
    for (size_t c = 0; c < x.size(); ++c) {
      z += static_cast<double>(w.down[r * x.size() + c]) * static_cast<double>(x[c]);
    }
    scores.cut += z < 0 ? 1 : 0;
    hidden.push_back(relu ? std::max(z, 0.0) : z);
  }
  for (size_t n = 0; n < w.bias.size(); ++n) {
    auto s = static_cast<double>(w.bias[n]);
    for (size_t r = 0; r < hidden.size(); ++r) {
      s += static_cast<double>(w.up[n * hidden.size() + r]) * hidden[r];
    }
    scores.values.push_back(static_cast<float>(s));
  }
  return scores;
}

TEST(MlpStart, ScoresAreThoseOfTheFirstMatrixInUnitsOfTheirError) {
  const Layer layer(2);
  const MlpWeights w = layer.Start(false);
  double errors = 0, agreed = 0;
  for (size_t n = 0; n < kNeurons; ++n) {
    double mean = 0, square = 0, cross = 0, own = 0;
    for (const auto& x : layer.states) {
      auto exact = static_cast<double>(layer.bias[n]);
      for (size_t c = 0; c < kWidth; ++c) {
        exact += static_cast<double>(layer.weights[n * kWidth + c]) * static_cast<double>(x[c]);
      }
      const auto score = static_cast<double>(ScoresOf(w, x, false).values[n]);
      agreed += (exact > 0) == (score > 0) ? 1 : 0;
      mean += exact * score;
      square += score * score;
      cross += exact * exact;
    }
    const double scale = mean / square;  // the score in units of the gate
    own = std::sqrt(std::max(0.0, cross - mean * scale) / 1000);
    errors += own / scale;
  }
  EXPECT_NEAR(errors / kNeurons, 1.7, 0.1);
  EXPECT_GE(agreed / (1000.0 * kNeurons), 0.9);
}

TEST(MlpStart, OpenUnitsKeepTheScores) {
  const Layer layer(2);
  const MlpWeights linear = layer.Start(false), open = layer.Start(true);
  int cut = 0, cut_before = 0;
  double worst = 0, largest = 0;
  for (const auto& x : layer.states) {
    const Scores before = ScoresOf(linear, x, false), after = ScoresOf(open, x, false);
    cut_before += before.cut;
    cut += after.cut;
    for (size_t n = 0; n < kNeurons; ++n) {
      const double difference = static_cast<double>(before.values[n] - after.values[n]);
      worst = std::max(worst, std::fabs(difference));
      largest = std::max(largest, std::fabs(static_cast<double>(before.values[n])));
    }
  }
  EXPECT_LE(worst, 1e-4 * largest);  // without the ReLU nothing has changed
  EXPECT_GE(cut_before, 1000 * kRank / 5);
  EXPECT_LE(cut, 1000 * kRank / 100);
}

TEST(MlpStart, StatesWithoutAMeanAndExactRowsStayFinite) {
  const Layer layer(0);
  for (const int64_t rank : {kRank, kWidth}) {
    const MlpWeights w = layer.Start(true, rank);
    for (const auto* matrix : {&w.down, &w.up, &w.bias}) {
      EXPECT_TRUE(std::all_of(matrix->begin(), matrix->end(),
                              [](float v) { return std::isfinite(v); }));
    }
    EXPECT_EQ(w.rank, rank);
  }
}

TEST(MlpStart, RandomUnitsAreOfUnitSize) {
  const Layer layer(2);
  const MlpWeights w = RandomStart(layer.inputs, 64, kNeurons, 1);
  double square = 0;
  for (const auto& x : layer.states) {
    for (size_t r = 0; r < 64; ++r) {
      double z = 0;
      for (size_t c = 0; c < kWidth; ++c) {
        z += static_cast<double>(w.down[r * kWidth + c]) * static_cast<double>(x[c]);
      }
      square += z * z;
    }
  }
  EXPECT_NEAR(std::sqrt(square / 64 / 1000), 1.0, 0.2);
  EXPECT_TRUE(w.down == RandomStart(layer.inputs, 64, kNeurons, 1).down);
  EXPECT_FALSE(w.down == RandomStart(layer.inputs, 64, kNeurons, 2).down);
}

}  // namespace
}  // namespace thermocline
