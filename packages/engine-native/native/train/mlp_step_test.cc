#include "train/mlp_step.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "util/testing.h"

namespace thermocline {
namespace {

std::vector<float> Normals(int64_t n, double scale, std::mt19937& random) {
  std::vector<float> values(static_cast<size_t>(n));
  for (float& v : values) {
    double sum = -6;  // twelve uniform numbers are near enough to normal, and the same everywhere
    for (int i = 0; i < 12; ++i) sum += static_cast<double>(random()) * 0x1p-32;
    v = static_cast<float>(scale * sum);
  }
  return values;
}

double ElementLoss(double s, double value, const LossShape& shape) {
  const double w =
      std::min(value / static_cast<double>(shape.price), static_cast<double>(shape.most));
  return std::log1p(std::exp(-std::fabs(s))) * (1 + w) + std::max(s, 0.0) + w * std::max(-s, 0.0);
}

// A small predictor and a batch for it.
struct Problem {
  MlpShape shape;
  LossShape loss{0.3F, 8.0F};
  int64_t tokens = 37;
  std::vector<float> down, up, bias, x, h, norms;

  explicit Problem(bool relu) : shape{19, 6, 33, relu} {
    std::mt19937 random(11);
    down = Normals(shape.rank * shape.d_model, 0.3, random);
    up = Normals(shape.n_ff * shape.rank, 0.5, random);
    bias = Normals(shape.n_ff, 0.5, random);
    x = Normals(tokens * shape.d_model, 1, random);
    h = Normals(tokens * shape.n_ff, 1, random);
    norms = Normals(shape.n_ff, 0.2, random);
    for (float& v : h) v = std::max(v, 0.0F);
    for (float& v : norms) v += 1;
  }
  MlpView weights() const { return {down.data(), up.data(), bias.data()}; }

  // The mean loss over tokens, in double throughout.
  double MeanLoss() const {
    const auto at = [](const std::vector<float>& m, int64_t row, int64_t cols, int64_t col) {
      return static_cast<double>(m[static_cast<size_t>(row * cols + col)]);
    };
    double sum = 0;
    for (int64_t t = 0; t < tokens; ++t) {
      std::vector<double> hidden;
      for (int64_t r = 0; r < shape.rank; ++r) {
        double z = 0;
        for (int64_t c = 0; c < shape.d_model; ++c) {
          z += at(down, r, shape.d_model, c) * at(x, t, shape.d_model, c);
        }
        hidden.push_back(shape.relu ? std::max(z, 0.0) : z);
      }
      for (int64_t n = 0; n < shape.n_ff; ++n) {
        double s = at(bias, n, 1, 0);
        for (int64_t r = 0; r < shape.rank; ++r) {
          s += at(up, n, shape.rank, r) * hidden[static_cast<size_t>(r)];
        }
        sum += ElementLoss(s, at(h, t, shape.n_ff, n) * at(norms, n, 1, 0), loss);
      }
    }
    return sum / static_cast<double>(tokens);
  }

  // The largest difference between slopes and finite differences, over the largest slope.
  double SlopeError(std::vector<float>* weights, const std::vector<float>& slopes) {
    double worst = 0, largest = 0;
    for (size_t i = 0; i < slopes.size(); ++i) {
      const float kept = (*weights)[i];
      const float above = kept + 1e-3F, below = kept - 1e-3F;
      (*weights)[i] = above;
      double difference = MeanLoss();
      (*weights)[i] = below;
      difference -= MeanLoss();
      (*weights)[i] = kept;
      const double slope = difference / (static_cast<double>(above) - static_cast<double>(below));
      worst = std::max(worst, std::fabs(slope - static_cast<double>(slopes[i])));
      largest = std::max(largest, std::fabs(slope));
    }
    return worst / largest;
  }
};

TEST(MlpStep, SlopesAreThoseOfTheLoss) {
  for (const Kernels* kernels : {&ReferenceKernels(), SelectKernels("auto")}) {
    for (const bool relu : {true, false}) {
      Problem problem(relu);
      ThreadPool pool(2);
      MlpStep step(problem.shape, problem.loss, problem.norms, problem.tokens, *kernels, pool);
      const double loss = step.LossAndSlopes(problem.weights(), problem.x.data(),
                                             problem.h.data(), problem.tokens);
      EXPECT_NEAR(loss / static_cast<double>(problem.tokens) / problem.MeanLoss(), 1.0, 1e-6);
      EXPECT_LE(problem.SlopeError(&problem.down, step.down_slopes()), 2e-3);
      EXPECT_LE(problem.SlopeError(&problem.up, step.up_slopes()), 2e-3);
      EXPECT_LE(problem.SlopeError(&problem.bias, step.bias_slopes()), 2e-3);
      EXPECT_EQ(step.Loss(problem.weights(), problem.x.data(), problem.h.data(), problem.tokens),
                loss);
    }
  }
}

}  // namespace
}  // namespace thermocline
