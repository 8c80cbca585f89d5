#include "train/mlp_start.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <vector>

namespace thermocline {
namespace {

// Measured on the demo model: the start loses least when a score of 1.7 is one standard error,
// as it is for a normal error behind a logistic curve.
constexpr double kSureness = 1.7;
// Standard deviations between a hidden unit's mean and zero.
constexpr double kMargin = 3;
// No row of a factorisation is so exact that its scores should be larger than this allows.
constexpr double kLeastError = 0.03;

double Dot(const float* a, const float* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

// Scores in units of their own error, and a bias for what the mean input brings.
void ScaleScores(const Factorisation& f, const std::vector<double>& mean_hidden,
                 const InputMoments& inputs, std::span<const float> weights,
                 std::span<const float> bias, MlpWeights* w) {
  for (int64_t n = 0; n < w->n_ff; ++n) {
    float* const up = w->up.data() + n * w->rank;
    const double variance = f.variance[static_cast<size_t>(n)];
    // Hidden units are uncorrelated and of unit variance.
    const double missed = variance - Dot(up, up, w->rank);
    const double error = std::sqrt(std::max(missed, kLeastError * kLeastError * variance));
    const double scale = error > 0 ? kSureness / error : 0;
    double offset = Dot(weights.data() + n * w->d_model, inputs.mean.data(), w->d_model);
    if (!bias.empty()) offset += static_cast<double>(bias[static_cast<size_t>(n)]);
    for (int64_t r = 0; r < w->rank; ++r) {
      offset -= static_cast<double>(up[r]) * mean_hidden[static_cast<size_t>(r)];
      up[r] = static_cast<float>(static_cast<double>(up[r]) * scale);
    }
    w->bias[static_cast<size_t>(n)] = static_cast<float>(offset * scale);
  }
}

// See the header. `mean` [rank]: of the hidden units, whose covariance is I, so that the w of least
// variance with w·mean = 1 is mean / ‖mean‖². Units of negative mean change their sign.
void OpenHiddenUnits(const std::vector<double>& mean, MlpWeights* w) {
  double square = 0;
  for (const double m : mean) square += m * m;
  if (!(square > 0)) return;
  const auto rank = static_cast<size_t>(w->rank), d_model = static_cast<size_t>(w->d_model);
  std::vector<double> sign(rank), direction(rank), shift(rank);
  double gain = 1;  // 1 + w·c
  for (size_t r = 0; r < rank; ++r) {
    sign[r] = mean[r] < 0 ? -1 : 1;
    direction[r] = std::fabs(mean[r]) / square;
    shift[r] = std::max(0.0, kMargin - std::fabs(mean[r]));
    gain += direction[r] * shift[r];
  }
  std::vector<double> common(d_model);  // wᵀ down
  for (size_t r = 0; r < rank; ++r) {
    for (size_t c = 0; c < d_model; ++c) {
      common[c] += direction[r] * sign[r] * static_cast<double>(w->down[r * d_model + c]);
    }
  }
  for (size_t r = 0; r < rank; ++r) {
    for (size_t c = 0; c < d_model; ++c) {
      float& value = w->down[r * d_model + c];
      value = static_cast<float>(sign[r] * static_cast<double>(value) + shift[r] * common[c]);
    }
  }
  for (size_t n = 0; n < static_cast<size_t>(w->n_ff); ++n) {
    float* const up = w->up.data() + n * rank;
    double back = 0;
    for (size_t r = 0; r < rank; ++r) back += sign[r] * static_cast<double>(up[r]) * shift[r];
    back /= gain;
    for (size_t r = 0; r < rank; ++r) {
      up[r] = static_cast<float>(sign[r] * static_cast<double>(up[r]) - back * direction[r]);
    }
  }
}

// About normal, of unit variance: twelve uniform numbers, which are the same in every library.
float DrawNormal(std::mt19937_64& random) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += static_cast<double>(random() >> 11) * 0x1p-53;
  return static_cast<float>(sum);
}

}  // namespace

MlpWeights StartFromFactorisation(const Factorisation& factorisation, const InputMoments& inputs,
                                  std::span<const float> weights, std::span<const float> bias,
                                  bool relu) {
  MlpWeights w;
  w.d_model = static_cast<int64_t>(inputs.mean.size());
  w.rank = factorisation.rank;
  w.n_ff = static_cast<int64_t>(factorisation.variance.size());
  w.down = factorisation.down;
  w.up = factorisation.up;
  w.bias.resize(factorisation.variance.size());
  std::vector<double> mean;
  for (int64_t r = 0; r < w.rank; ++r) {
    mean.push_back(Dot(w.down.data() + r * w.d_model, inputs.mean.data(), w.d_model));
  }
  ScaleScores(factorisation, mean, inputs, weights, bias, &w);
  if (relu) OpenHiddenUnits(mean, &w);
  return w;
}

MlpWeights RandomStart(const InputMoments& inputs, int64_t rank, int64_t n_ff, uint64_t seed) {
  MlpWeights w;
  w.d_model = static_cast<int64_t>(inputs.mean.size());
  w.rank = rank;
  w.n_ff = n_ff;
  double square = 0;  // E‖x‖²
  for (size_t c = 0; c < inputs.mean.size(); ++c) {
    const auto mean = static_cast<double>(inputs.mean[c]);
    square += mean * mean + static_cast<double>(inputs.covariance[c * inputs.mean.size() + c]);
  }
  const auto hidden = static_cast<float>(square > 0 ? 1 / std::sqrt(square) : 1);
  const auto scores = static_cast<float>(1 / std::sqrt(static_cast<double>(rank)));
  std::mt19937_64 random(seed);
  w.down.resize(static_cast<size_t>(rank * w.d_model));
  w.up.resize(static_cast<size_t>(n_ff * rank));
  for (float& v : w.down) v = hidden * DrawNormal(random);
  for (float& v : w.up) v = scores * DrawNormal(random);
  w.bias.assign(static_cast<size_t>(n_ff), -1.0F);  // most neurons do not fire
  return w;
}

}  // namespace thermocline
