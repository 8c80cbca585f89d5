#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "backends/backend_suite.h"
#include "backends/suite_data.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using suite::Random;
using suite::SameBits;

constexpr int64_t kSizes[] = {1, 3, 8, 15, 16, 17, 31, 32, 33, 64, 100, 288, 4096};

double Act(ActivationFunction f, double x) {
  switch (f) {
    case ActivationFunction::kRelu:
    case ActivationFunction::kDoubleRelu: return std::max(x, 0.0);
    case ActivationFunction::kSilu: return x / (1 + std::exp(-x));
    case ActivationFunction::kGelu: return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case ActivationFunction::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case ActivationFunction::kReluSquared: return x > 0 ? x * x : 0;
  }
  return 0;
}

constexpr ActivationFunction kFunctions[] = {
    ActivationFunction::kRelu, ActivationFunction::kSilu, ActivationFunction::kGelu,
    ActivationFunction::kGeluTanh, ActivationFunction::kReluSquared,
    ActivationFunction::kDoubleRelu};

void CheckActivate(const Kernels& k) {
  Random random(3);
  for (const ActivationFunction f : kFunctions) {
    for (const int64_t n : kSizes) {
      std::vector<float> gate = random.Normals(n);
      for (float& v : gate) v *= 6;
      const std::vector<float> up = random.Normals(n);
      std::vector<float> h(gate.size());
      k.activate(f, gate.data(), up.data(), n, h.data());
      std::vector<float> alone(gate.size());
      k.activate(f, gate.data(), nullptr, n, alone.data());
      for (size_t i = 0; i < h.size(); ++i) {
        const auto x = static_cast<double>(gate[i]);
        const double exact = Act(f, x);
        EXPECT_NEAR(alone[i], exact, 1e-6 * (std::fabs(x) + std::fabs(exact)));
        const bool both = f == ActivationFunction::kDoubleRelu;
        EXPECT_TRUE(SameBits(h[i], alone[i] * (both ? std::max(up[i], 0.0F) : up[i])));
        float one = gate[i];  // in place, and the same bits in any place
        k.activate(f, &one, nullptr, 1, &one);
        EXPECT_TRUE(SameBits(one, alone[i]));
      }
    }
    const float edges[] = {0.0F, -0.0F, 1e-40F, -1e-40F, 90.0F, -90.0F, 1e30F, -1e30F};
    for (const float x : edges) {
      if (f == ActivationFunction::kReluSquared && x > 1e19F) continue;
      float y = 0;
      k.activate(f, &x, nullptr, 1, &y);
      const double exact = Act(f, static_cast<double>(x));
      EXPECT_NEAR(y, exact, 1e-6 * std::fabs(exact) + 1e-6);
    }
    float nan = std::numeric_limits<float>::quiet_NaN();
    k.activate(f, &nan, nullptr, 1, &nan);
    EXPECT_TRUE(std::isnan(nan));
  }
}

void CheckNorms(const Kernels& k) {
  Random random(4);
  for (const int64_t n : kSizes) {
    std::vector<float> x = random.Normals(n);
    for (float& v : x) v = v * 3 + 1;
    const std::vector<float> weight = random.Normals(n);
    const std::vector<float> bias = random.Normals(n);
    double mean = 0, squares = 0;
    for (const float v : x) {
      mean += static_cast<double>(v) / static_cast<double>(n);
      squares += static_cast<double>(v) * static_cast<double>(v) / static_cast<double>(n);
    }
    double variance = 0;
    for (const float v : x) {
      variance += std::pow(static_cast<double>(v) - mean, 2) / static_cast<double>(n);
    }
    std::vector<float> out(x.size());
    k.rms_norm(x.data(), weight.data(), n, 1e-5F, out.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const double exact = static_cast<double>(x[i]) / std::sqrt(squares + 1e-5) *
                           static_cast<double>(weight[i]);
      EXPECT_NEAR(out[i], exact, 3e-6 * std::fabs(exact) + 1e-12);
    }
    k.layer_norm(x.data(), weight.data(), bias.data(), n, 1e-5F, out.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const double scaled =
          (static_cast<double>(x[i]) - mean) / std::sqrt(variance + 1e-5) *
          static_cast<double>(weight[i]);
      // With one element x - mean is all rounding, blown up by 1 / sqrt(epsilon).
      const double tolerance = 1e-5 * (1 + std::fabs(scaled) + std::fabs(mean) +
                                       (n < 4 ? 300 * 1e-2 : 0));
      EXPECT_NEAR(out[i], scaled + static_cast<double>(bias[i]), tolerance);
    }
  }
}

// The 8-bit form has the reference's bits in every set.
void CheckQuantize(const Kernels& k) {
  Random random(6);
  for (const float size : {1.0F, 1e-3F, 1e30F, 3e-39F, 1e-43F, 1.5e-45F}) {
    for (const int64_t n : {32, 64, 96, 480, 512, 544, 4096}) {
      std::vector<float> x = random.Normals(n);
      for (float& v : x) v *= size;
      for (int64_t i = 0; i < std::min<int64_t>(n, 64); i += 3) {  // halves, to be rounded to even
        x[static_cast<size_t>(i)] = size * static_cast<float>(i % 7) / 2;
      }
      if (n == 96) std::fill(x.begin() + 32, x.begin() + 64, -0.0F);
      const auto blocks = static_cast<size_t>(n / 32);
      std::vector<int8_t> q(x.size()), expected_q(x.size());
      std::vector<float> scale(blocks), expected_scale(blocks);
      std::vector<int32_t> sum(blocks), expected_sum(blocks), first(blocks), expected_first(blocks);
      k.quantize(x.data(), n, q.data(), scale.data(), sum.data(), first.data());
      ReferenceKernels().quantize(x.data(), n, expected_q.data(), expected_scale.data(),
                                  expected_sum.data(), expected_first.data());
      EXPECT_TRUE(q == expected_q);
      EXPECT_TRUE(sum == expected_sum);
      EXPECT_TRUE(first == expected_first);
      EXPECT_TRUE(std::equal(scale.begin(), scale.end(), expected_scale.begin(), SameBits));
    }
  }
}

void CheckF16(const Kernels& k) {
  // Every half, its neighbours' midpoints and their neighbours, NaNs and infinities.
  std::vector<float> x;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = F16ToF32(static_cast<uint16_t>(bits));
    x.push_back(value);
    if (bits % 0x8000 >= 0x7C00) continue;
    const float next = F16ToF32(static_cast<uint16_t>(bits + 1));
    const float middle = std::isfinite(next) ? (value + next) / 2 : std::copysign(65520.0F, value);
    x.push_back(middle);
    x.push_back(std::nextafter(middle, 0.0F));
    x.push_back(std::nextafter(middle, middle * 4));
  }
  const auto n = static_cast<int64_t>(x.size());
  std::vector<uint16_t> out(x.size());
  k.f32_to_f16(x.data(), n, out.data());
  bool same = true;
  for (size_t i = 0; i < x.size(); ++i) same = same && out[i] == F32ToF16(x[i]);
  EXPECT_TRUE(same);
  for (const int64_t size : kSizes) {
    std::vector<uint16_t> part(static_cast<size_t>(size));
    k.f32_to_f16(x.data() + 4000, size, part.data());
    EXPECT_TRUE(std::equal(part.begin(), part.end(), out.begin() + 4000));
  }
}

// Rounded as the reference does it, but that subnormal numbers are zero.
void CheckBf16(const Kernels& k) {
  std::vector<float> x;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = BF16ToF32(static_cast<uint16_t>(bits));
    x.push_back(value);
    if (bits % 0x8000 >= 0x7F80) continue;
    const float middle = std::bit_cast<float>((bits << 16) + 0x8000U);
    x.push_back(middle);
    x.push_back(std::bit_cast<float>((bits << 16) + 0x7FFFU));
    x.push_back(std::bit_cast<float>((bits << 16) + 0x8001U));
  }
  std::vector<uint16_t> out(x.size());
  k.f32_to_bf16(x.data(), static_cast<int64_t>(x.size()), out.data());
  bool same = true;
  for (size_t i = 0; i < x.size(); ++i) {
    const bool subnormal = std::fpclassify(x[i]) == FP_SUBNORMAL;
    same = same && out[i] == F32ToBF16(subnormal ? std::copysign(0.0F, x[i]) : x[i]);
  }
  EXPECT_TRUE(same);
  for (const int64_t size : kSizes) {
    std::vector<uint16_t> part(static_cast<size_t>(size));
    k.f32_to_bf16(x.data() + 70'000, size, part.data());
    EXPECT_TRUE(std::equal(part.begin(), part.end(), out.begin() + 70'000));
  }
}

void CheckWiden(const Kernels& k) {
  Random random(8);
  for (const DType type : suite::kTypes) {
    for (const int64_t cols : kSizes) {
      if (cols % BlockElements(type) != 0) continue;
      const suite::Rows w(type, 3, cols, random);
      std::vector<float> out(static_cast<size_t>(cols));
      for (int64_t row = 0; row < 3; ++row) {
        k.widen_row(w.matrix, row, out.data());
        bool exact = true;
        for (int64_t c = 0; c < cols; ++c) {
          exact = exact && SameBits(out[static_cast<size_t>(c)] + 0.0F,
                                    static_cast<float>(w.At(row, c)) + 0.0F);
        }
        EXPECT_TRUE(exact);
      }
    }
  }
}

void CheckAdd(const Kernels& k) {
  Random random(9);
  for (const int64_t n : kSizes) {
    const std::vector<float> x = random.Normals(n);
    const std::vector<float> before = random.Normals(n);
    std::vector<float> y = before;
    k.add(x.data(), n, y.data());
    for (size_t i = 0; i < y.size(); ++i) EXPECT_TRUE(SameBits(y[i], before[i] + x[i]));
  }
}

}  // namespace

void CheckSigns(const Kernels& k) {
  Random random(9);
  for (const int64_t words : {1, 2, 3, 8, 65}) {
    const int64_t n = 5;
    std::vector<uint64_t> rows(static_cast<size_t>(n * words));
    std::vector<uint64_t> x(static_cast<size_t>(words));
    for (uint64_t& v : rows) v = static_cast<uint64_t>(random.Below(int64_t{1} << 62)) * 5;
    for (uint64_t& v : x) v = static_cast<uint64_t>(random.Below(int64_t{1} << 62)) * 3;
    std::vector<float> scores(static_cast<size_t>(n));
    k.sign_scores(rows.data(), n, words, 64 * words, x.data(), scores.data());
    for (int64_t i = 0; i < n; ++i) {
      int64_t expected = 0;
      for (int64_t c = 0; c < 64 * words; ++c) {
        const uint64_t both = rows[static_cast<size_t>(i * words + c / 64)] ^
                              x[static_cast<size_t>(c / 64)];
        expected += (both >> (c % 64)) % 2 == 0 ? 1 : -1;
      }
      EXPECT_EQ(scores[static_cast<size_t>(i)], static_cast<float>(expected));
    }
  }
}

void CheckElementwise(const Kernels& kernels) {
  CheckActivate(kernels);
  CheckNorms(kernels);
  CheckQuantize(kernels);
  CheckF16(kernels);
  if (kernels.f32_to_bf16 != nullptr) CheckBf16(kernels);
  CheckWiden(kernels);
  CheckAdd(kernels);
  CheckSigns(kernels);
}

}  // namespace thermocline
