#include "sparsity/predictor.h"

#include <cmath>
#include <cstring>
#include <random>

#include "util/f16.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using Kind = LayerPredictor::Kind;
using Type = PredictorType;

constexpr Type kTypes[] = {Type::kF32, Type::kF16, Type::kBF16,
                           Type::kI8,  Type::kQ8_0, Type::kQ4_0};

// A matrix with what its elements mean, worked out on its own.
struct Sample {
  PredictorMatrix matrix;
  std::vector<double> values;
};

Sample Random(Type type, int64_t rows, int64_t cols, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Sample s;
  s.matrix.type = type;
  s.matrix.rows = rows;
  s.matrix.cols = cols;
  const auto n = static_cast<size_t>(rows * cols);
  s.values.resize(n);
  const auto put = [&](size_t at, const auto& value) {
    std::memcpy(s.matrix.values.data() + at, &value, sizeof value);
  };
  const bool blocks = type == Type::kQ8_0 || type == Type::kQ4_0;
  if (type == Type::kI8) {
    for (int64_t r = 0; r < rows; ++r) s.matrix.scale.push_back(0.01F * normal(random));
  }
  for (size_t b = 0; blocks && b < n / 32; ++b) {
    s.matrix.block_scale.push_back(F32ToF16(0.01F * normal(random)));
  }
  s.matrix.values.resize(type == Type::kF32 ? 4 * n : type == Type::kQ4_0 ? n / 2
                         : type == Type::kF16 || type == Type::kBF16     ? 2 * n
                                                                         : n);
  for (size_t i = 0; i < n; ++i) {
    const float value = normal(random);
    const auto quant = static_cast<int>(random() % 256) - 128;
    const size_t row = i / static_cast<size_t>(cols);
    if (type == Type::kF32) {
      put(4 * i, value);
      s.values[i] = static_cast<double>(value);
    } else if (type == Type::kF16) {
      put(2 * i, F32ToF16(value));
      s.values[i] = static_cast<double>(F16ToF32(F32ToF16(value)));
    } else if (type == Type::kBF16) {
      put(2 * i, F32ToBF16(value));
      s.values[i] = static_cast<double>(BF16ToF32(F32ToBF16(value)));
    } else if (type == Type::kI8) {
      put(i, static_cast<int8_t>(quant));
      s.values[i] = static_cast<double>(s.matrix.scale[row]) * quant;
    } else {
      const auto scale = static_cast<double>(F16ToF32(s.matrix.block_scale[i / 32]));
      if (type == Type::kQ8_0) {
        put(i, static_cast<int8_t>(quant));
        s.values[i] = scale * quant;
      } else {
        const int nibble = quant & 15;
        std::byte& pair = s.matrix.values[i / 32 * 16 + i % 16];
        pair |= static_cast<std::byte>(i % 32 < 16 ? nibble : nibble << 4);
        s.values[i] = scale * (nibble - 8);
      }
    }
  }
  return s;
}

std::vector<float> Inputs(int64_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<size_t>(n));
  for (float& v : x) v = normal(random);
  return x;
}

// What products with quantised weights see of their input.
std::vector<double> Seen(const std::vector<double>& x, Type type) {
  if (type != Type::kQ8_0 && type != Type::kQ4_0) return x;
  std::vector<double> seen = x;
  for (size_t b = 0; b < x.size(); b += 32) {
    double largest = 0;
    for (size_t i = b; i < b + 32; ++i) largest = std::max(largest, std::fabs(x[i]));
    const double scale = largest / 127;
    for (size_t i = b; i < b + 32; ++i) {
      seen[i] = scale > 0 ? scale * std::nearbyint(x[i] / scale) : 0;
    }
  }
  return seen;
}

std::vector<double> Product(const Sample& w, const std::vector<double>& x) {
  const std::vector<double> seen = Seen(x, w.matrix.type);
  std::vector<double> y(static_cast<size_t>(w.matrix.rows), 0.0);
  for (size_t r = 0; r < y.size(); ++r) {
    for (size_t c = 0; c < seen.size(); ++c) y[r] += w.values[r * seen.size() + c] * seen[c];
  }
  return y;
}

TEST(Predictor, ScoresAreTheProductOfTheMatrices) {
  const int64_t d = 96, rank = 64, n_ff = 131;
  ThreadPool pool(2);
  for (const Kind kind : {Kind::kTrained, Kind::kFactorised}) {
    for (const Type type : kTypes) {
      const Sample down = Random(type, rank, d, 1);
      const Sample up = Random(type, n_ff, rank, 2);
      auto predictor = Predictor::Create({kind, false, down.matrix, up.matrix, {}, {0}}, d, n_ff);
      ASSERT_OK(predictor);
      const std::vector<float> x = Inputs(d, 3);
      std::vector<double> hidden = Product(down, {x.begin(), x.end()});
      double size = 0;
      for (double& h : hidden) {
        if (kind == Kind::kTrained) h = std::max(h, 0.0);
        size += h * h;
      }
      const std::vector<double> expected = Product(up, hidden);
      double scale = 0;
      for (const double e : expected) scale = std::max(scale, std::fabs(e));
      for (const char* set : {"auto", "scalar"}) {
        std::vector<float> scores(static_cast<size_t>(n_ff));
        predictor->Score(x.data(), 1, *SelectKernels(set), pool, scores.data());
        for (size_t i = 0; i < scores.size(); ++i) {
          // One step of the hidden vector's 8-bit form may round the other way.
          EXPECT_NEAR(scores[i], expected[i], (type >= Type::kQ8_0 ? 5e-3 : 1e-5) * scale);
        }
      }
    }
  }
}

LayerPredictor Signs(int64_t d, int64_t n_ff, std::vector<std::vector<bool>>& negative) {
  std::mt19937 random(5);
  LayerPredictor from;
  from.kind = Kind::kSigns;
  const auto row_bytes = static_cast<size_t>((d + 7) / 8);
  from.signs.assign(static_cast<size_t>(n_ff) * row_bytes, 0);
  from.threshold = {0};
  negative.assign(static_cast<size_t>(n_ff), std::vector<bool>(static_cast<size_t>(d)));
  for (size_t r = 0; r < negative.size(); ++r) {
    for (size_t c = 0; c < static_cast<size_t>(d); ++c) {
      negative[r][c] = random() % 2 == 0;
      if (negative[r][c]) from.signs[r * row_bytes + c / 8] |= static_cast<uint8_t>(1 << (c % 8));
    }
  }
  return from;
}

TEST(Predictor, CountsSigns) {
  ThreadPool pool(2);
  for (const int64_t d : {1, 7, 8, 63, 64, 65, 288, 1000}) {
    const int64_t n_ff = 77, tokens = 3;
    std::vector<std::vector<bool>> negative;
    auto predictor = Predictor::Create(Signs(d, n_ff, negative), d, n_ff);
    ASSERT_OK(predictor);
    std::vector<float> x = Inputs(tokens * d, 9);
    x[0] = -0.0F;  // counts as positive
    std::vector<float> scores(static_cast<size_t>(tokens * n_ff));
    predictor->Score(x.data(), tokens, *SelectKernels("auto"), pool, scores.data());
    for (size_t t = 0; t < static_cast<size_t>(tokens); ++t) {
      for (size_t r = 0; r < negative.size(); ++r) {
        int expected = 0;
        for (size_t c = 0; c < static_cast<size_t>(d); ++c) {
          const bool differs = negative[r][c] != (x[t * static_cast<size_t>(d) + c] < 0);
          expected += differs ? -1 : 1;
        }
        EXPECT_EQ(scores[t * negative.size() + r], static_cast<float>(expected));
      }
    }
  }
}

TEST(Predictor, ThreadsAndBatchesChangeNoBits) {
  const int64_t d = 64, rank = 32, n_ff = 300, tokens = kScoredTokens + 5;
  std::vector<LayerPredictor> kinds;
  for (const Type type : kTypes) {
    const PredictorMatrix down = Random(type, rank, d, 1).matrix;
    const PredictorMatrix up = Random(type, n_ff, rank, 2).matrix;
    kinds.push_back({Kind::kTrained, false, down, up, {}, {0}});
  }
  std::vector<std::vector<bool>> negative;
  kinds.push_back(Signs(d, n_ff, negative));
  const std::vector<float> x = Inputs(tokens * d, 4);
  const Kernels& kernels = *SelectKernels("auto");
  ThreadPool one(1), three(3);
  for (const LayerPredictor& from : kinds) {
    auto predictor = Predictor::Create(from, d, n_ff);
    ASSERT_OK(predictor);
    std::vector<float> batch(static_cast<size_t>(tokens * n_ff));
    predictor->Score(x.data(), tokens, kernels, three, batch.data());
    std::vector<float> single(static_cast<size_t>(n_ff));
    for (int64_t t = 0; t < tokens; ++t) {
      predictor->Score(x.data() + t * d, 1, kernels, t % 2 == 0 ? one : three, single.data());
      EXPECT_EQ(std::memcmp(single.data(), batch.data() + t * n_ff, 4 * single.size()), 0);
    }
  }
}

TEST(Predictor, RefusesWhatDoesNotFit) {
  const int64_t d = 64, rank = 32, n_ff = 10;
  const LayerPredictor good = {Kind::kTrained, false, Random(Type::kQ8_0, rank, d, 1).matrix,
                               Random(Type::kI8, n_ff, rank, 2).matrix, {}, {0}};
  EXPECT_OK(Predictor::Create(good, d, n_ff));
  EXPECT_STATUS(Predictor::Create(good, d + 32, n_ff), StatusCode::kInvalidArgument);
  EXPECT_STATUS(Predictor::Create(good, d, n_ff - 1), StatusCode::kInvalidArgument);
  const auto refused = [&](auto change) {
    LayerPredictor bad = good;
    change(bad);
    EXPECT_STATUS(Predictor::Create(bad, d, n_ff), StatusCode::kInvalidArgument);
  };
  refused([](auto& p) { p.down.values.pop_back(); });
  refused([](auto& p) { p.down.block_scale.pop_back(); });
  refused([](auto& p) { p.down.rows = 31; });
  refused([](auto& p) { p.down.rows = 0; });
  refused([](auto& p) { p.up.scale.clear(); });
  refused([](auto& p) { p.up.type = Type::kF32; });
  refused([](auto& p) { p.kind = Kind::kGate; });
  refused([](auto& p) { p.kind = Kind::kNone; });
  refused([](auto& p) { p.kind = Kind::kSigns; });
  std::vector<std::vector<bool>> negative;
  LayerPredictor signs = Signs(12, n_ff, negative);
  EXPECT_OK(Predictor::Create(signs, 12, n_ff));
  signs.signs[3] |= 0x10;  // a thirteenth column
  EXPECT_STATUS(Predictor::Create(signs, 12, n_ff), StatusCode::kInvalidArgument);
  // So large that their bytes, were they counted, would come to 0 again.
  const int64_t huge = int64_t{1} << 31;
  LayerPredictor empty;
  empty.kind = Kind::kTrained;
  empty.down.rows = empty.down.cols = empty.up.rows = empty.up.cols = huge;
  EXPECT_STATUS(Predictor::Check(empty, huge, huge), StatusCode::kInvalidArgument);
  // 33 columns are no blocks.
  LayerPredictor odd = good;
  odd.down = Random(Type::kF32, 33, d, 1).matrix;
  odd.up = Random(Type::kF32, n_ff, 33, 1).matrix;
  EXPECT_OK(Predictor::Create(odd, d, n_ff));
  odd.up.type = Type::kQ8_0;
  EXPECT_STATUS(Predictor::Create(odd, d, n_ff), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace thermocline
