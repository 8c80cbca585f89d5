#include "train/fit_predictor.h"

#include <cmath>
#include <random>

#include "io/test_files.h"
#include "sparsity/predictor.h"
#include "train/gemm.h"
#include "train/quantise.h"
#include "train/samples_testing.h"

namespace thermocline {
namespace {

using testing::SampleShard;
using testing::TempFolder;
using Kind = LayerPredictor::Kind;

constexpr int64_t kWidth = 64;
constexpr int64_t kNeurons = 96;
const Kernels& kKernels = *SelectKernels("auto");

// A layer with a ReLU gate: h = relu(W x + b) · |u|, states around a mean, in some directions more
// than in others.
struct Layer {
  std::vector<float> weights, bias, norms;
  TempFolder folder;
  SampleReader train, held_out;

  explicit Layer(bool with_bias = true)
      : weights(RandomWeights()), bias(RandomBias(with_bias)), norms(RandomNorms()),
        train(Samples(1, 3000)), held_out(Samples(2, 600)) {}

  Gate gate() const { return {weights, bias, ActivationFunction::kRelu}; }

  FitOptions Options(Kind kind, int64_t rank = 0) const {
    FitOptions options;
    options.kind = kind;
    options.rank = rank;
    options.type = PredictorType::kF32;
    options.has_first = true;
    options.first = gate();
    return options;
  }

 private:
  static std::vector<float> RandomWeights() {
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    std::vector<float> values(kNeurons * kWidth);
    for (float& value : values) value = normal(random) / 8;
    return values;
  }
  static std::vector<float> RandomBias(bool with_bias) {
    std::vector<float> values;
    for (int64_t n = 0; with_bias && n < kNeurons; ++n) values.push_back(-1.5F + static_cast<float>(n % 4) / 4);
    return values;
  }
  static std::vector<float> RandomNorms() {
    std::vector<float> values;
    for (int64_t n = 0; n < kNeurons; ++n) values.push_back(0.5F + static_cast<float>(n % 9) / 4);
    return values;
  }

  SampleReader Samples(uint32_t seed, int64_t rows) const {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    SampleShard shard(kWidth, kNeurons);
    for (int64_t row = 0; row < rows; ++row) {
      std::vector<float> x(kWidth), h(kNeurons);
      for (size_t c = 0; c < kWidth; ++c) {
        const float scale = 2 / (1 + 0.03F * static_cast<float>(c));
        x[c] = F16ToF32(F32ToF16(0.3F + scale * normal(random)));
      }
      for (size_t n = 0; n < kNeurons; ++n) {
        double g = bias.empty() ? 0 : static_cast<double>(bias[n]);
        for (size_t c = 0; c < kWidth; ++c) {
          g += static_cast<double>(x[c]) * static_cast<double>(weights[n * kWidth + c]);
        }
        h[n] = std::max(0.0F, static_cast<float>(g)) * std::fabs(1 + normal(random));
      }
      shard.Add(x, h);
    }
    return SampleReader::Open({folder.Write(std::to_string(seed), shard.Bytes())}).value();
  }
};

Result<PredictorFit> Fit(const Layer& layer, const FitOptions& options, ThreadPool& pool) {
  return FitPredictor(layer.train, layer.held_out, layer.norms, options, kKernels, pool);
}

// Value recall where `times` as many are predicted as fire.
double RecallAt(const Layer& layer, const LayerPredictor& predictor, double times,
                ThreadPool& pool, const std::vector<float>& scales = {}) {
  const Gate gate = layer.gate();
  const auto curve = ScorePredictor(layer.held_out, layer.norms, predictor, &gate, scales, 512,
                                    kKernels, {}, pool);
  EXPECT_OK(curve);
  if (!curve.ok()) return 0;
  size_t i = 0;
  while (static_cast<double>(curve->predicted[i]) > times * static_cast<double>(curve->firing)) ++i;
  return curve->hit_value[i] / curve->firing_value;
}

TEST(FitPredictor, FindsMoreWithMoreTermsAndAllWithAllOfThem) {
  ThreadPool pool(2);
  const Layer layer;
  double last = 0.5;
  for (const int64_t rank : {32, 64}) {
    const auto fit = Fit(layer, layer.Options(Kind::kFactorised, rank), pool);
    ASSERT_OK(fit);
    EXPECT_EQ(fit->predictor.threshold.size(), static_cast<size_t>(kNeurons));
    const double recall = RecallAt(layer, fit->predictor, 1.2, pool);
    EXPECT_GT(recall, last + 0.01);
    last = recall;
  }
  EXPECT_GT(last, 0.999);
}

// The first terms alone are the predictor of that rank, but for how sure its scores are.
TEST(FitPredictor, CanBeCutToANarrowerOne) {
  ThreadPool pool(2);
  const Layer layer;
  const auto wide = Fit(layer, layer.Options(Kind::kFactorised, 64), pool);
  const auto narrow = Fit(layer, layer.Options(Kind::kFactorised, 32), pool);
  ASSERT_OK(wide);
  ASSERT_OK(narrow);
  std::vector<float> down(64 * kWidth), up(kNeurons * 64), cut(kNeurons * 32);
  Dequantise(wide->predictor.down, down.data(), pool);
  Dequantise(wide->predictor.up, up.data(), pool);
  down.resize(32 * kWidth);
  for (size_t i = 0; i < cut.size(); ++i) cut[i] = up[i / 32 * 64 + i % 32];
  LayerPredictor predictor = wide->predictor;
  predictor.down = Quantise(PredictorType::kF32, down.data(), 32, kWidth, pool).value();
  predictor.up = Quantise(PredictorType::kF32, cut.data(), kNeurons, 32, pool).value();
  EXPECT_GT(RecallAt(layer, predictor, 1.3, pool),
            RecallAt(layer, narrow->predictor, 1.3, pool) - 0.05);
}

TEST(FitPredictor, TrainingStartsFromTheFactorisationAndImproves) {
  ThreadPool pool(2);
  const Layer layer(false);
  FitOptions options = layer.Options(Kind::kTrained, 32);
  options.epochs = 6;
  std::vector<double> fractions, losses;
  options.progress = [&](double fraction, double loss) {
    fractions.push_back(fraction);
    if (!std::isnan(loss)) losses.push_back(loss);
  };
  const auto trained = Fit(layer, options, pool);
  const auto factorised = Fit(layer, layer.Options(Kind::kFactorised, 32), pool);
  ASSERT_OK(trained);
  ASSERT_OK(factorised);
  // Of the loss, not of every point of the curve: with few samples to learn from, by a little.
  EXPECT_GE(trained->best, 0);
  EXPECT_GT(RecallAt(layer, trained->predictor, 1.1, pool),
            RecallAt(layer, factorised->predictor, 1.1, pool) - 0.02);
  EXPECT_FALSE(trained->held_out_loss.empty());
  EXPECT_TRUE(std::is_sorted(fractions.begin(), fractions.end()));
  EXPECT_EQ(fractions.back(), 1.0);
  EXPECT_FALSE(losses.empty());
}

TEST(FitPredictor, SignsPredictBetterThanChance) {
  ThreadPool pool(2);
  const Layer layer;
  const auto fit = Fit(layer, layer.Options(Kind::kSigns), pool);
  ASSERT_OK(fit);
  LayerPredictor bare = fit->predictor;
  bare.threshold = {0.0F};
  EXPECT_GT(RecallAt(layer, fit->predictor, 1.2, pool), 0.5);
  EXPECT_GT(RecallAt(layer, fit->predictor, 1.2, pool), RecallAt(layer, bare, 1.2, pool) + 0.05);
}

TEST(FitPredictor, GateScalesSayWhatAScoreIsWorth) {
  ThreadPool pool(2);
  const Layer layer;
  const auto fit = Fit(layer, layer.Options(Kind::kGate), pool);
  ASSERT_OK(fit);
  EXPECT_TRUE(fit->predictor.threshold == std::vector<float>{0.0F});
  ASSERT_EQ(fit->scales.size(), static_cast<size_t>(kNeurons));
  int close = 0;
  for (size_t n = 0; n < kNeurons; ++n) {
    // E|1 + N(0, 1)| is 1.167, whatever the gate; those that seldom fire borrow from others.
    close += std::fabs(fit->scales[n] / layer.norms[n] - 1.167F) < 0.1F ? 1 : 0;
    EXPECT_GT(fit->scales[n], 0.0F);
  }
  EXPECT_GT(close, 80);
  EXPECT_GT(RecallAt(layer, fit->predictor, 1.001, pool), 0.999);
  EXPECT_GT(RecallAt(layer, fit->predictor, 0.5, pool, fit->scales),
            RecallAt(layer, fit->predictor, 0.5, pool) + 0.02);
}

TEST(FitPredictor, SaysWhatIsMissing) {
  ThreadPool pool(1);
  const Layer layer;
  const auto code = [&](const FitOptions& options, std::span<const float> norms) {
    return FitPredictor(layer.train, layer.held_out, norms, options, kKernels, pool).status().code();
  };
  const auto invalid = StatusCode::kInvalidArgument;
  for (const Kind kind : {Kind::kFactorised, Kind::kSigns, Kind::kGate}) {
    FitOptions options = layer.Options(kind, 32);
    EXPECT_EQ(code(options, layer.norms), StatusCode::kOk);
    options.has_first = false;
    EXPECT_EQ(code(options, layer.norms), invalid);
  }
  EXPECT_EQ(code(layer.Options(Kind::kNone), layer.norms), invalid);
  for (const int64_t rank : {0, 16, 33, 128}) {
    EXPECT_EQ(code(layer.Options(Kind::kFactorised, rank), layer.norms), invalid);
  }
  EXPECT_EQ(code(layer.Options(Kind::kSigns), {layer.norms.data(), 5}), invalid);
  std::vector<float> norms = layer.norms;
  norms[3] = -1;
  EXPECT_EQ(code(layer.Options(Kind::kSigns), norms), invalid);
  EXPECT_EQ(code(layer.Options(Kind::kFactorised, 32), std::vector<float>(kNeurons, 0.0F)), invalid);
  const std::vector<float> bias(kNeurons, std::nanf(""));
  for (const Kind kind : {Kind::kFactorised, Kind::kGate}) {
    FitOptions options = layer.Options(kind, 32);
    options.first.bias = bias;
    EXPECT_EQ(code(options, layer.norms), invalid);
  }
  FitOptions aborted = layer.Options(Kind::kFactorised, 32);
  const std::atomic<bool> cancel{true};
  aborted.cancel = &cancel;
  EXPECT_EQ(code(aborted, layer.norms), StatusCode::kAborted);
  LayerPredictor gate;
  gate.kind = Kind::kGate;
  gate.threshold = {0.0F};
  EXPECT_STATUS(ScorePredictor(layer.held_out, layer.norms, gate, nullptr, {}, 64, kKernels, {}, pool),
                invalid);
  const Gate first = layer.gate();
  EXPECT_STATUS(ScorePredictor(layer.held_out, norms, gate, &first, {}, 64, kKernels, {}, pool),
                invalid);
}

}  // namespace
}  // namespace thermocline
