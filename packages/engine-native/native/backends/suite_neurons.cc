#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "backends/backend_suite.h"
#include "backends/suite_data.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using suite::FewShapes;
using suite::Neurons;
using suite::Random;
using suite::SameBits;

struct List {
  std::vector<uint32_t> rows, positions;
  NeuronList view() const {
    return {rows.data(), positions.data(), static_cast<int64_t>(rows.size())};
  }
};

// `count` distinct neurons of n; positions are a shuffled numbering of the neurons.
List MakeList(int64_t n, int64_t count, bool ascending, const std::vector<uint32_t>& position_of,
              Random& random) {
  List list;
  for (int64_t i = 0; i < n; ++i) list.rows.push_back(static_cast<uint32_t>(i));
  for (size_t i = list.rows.size(); i > 1; --i) {
    std::swap(list.rows[i - 1],
              list.rows[static_cast<size_t>(random.Below(static_cast<int64_t>(i)))]);
  }
  list.rows.resize(static_cast<size_t>(count));
  if (ascending) std::sort(list.rows.begin(), list.rows.end());
  for (const uint32_t row : list.rows) list.positions.push_back(position_of[row]);
  return list;
}

// A list without the entries whose factor is zero.
List Firing(const List& list, const float* h) {
  List firing;
  for (size_t i = 0; i < list.rows.size(); ++i) {
    if (h[list.positions[i]] == 0) continue;
    firing.rows.push_back(list.rows[i]);
    firing.positions.push_back(list.positions[i]);
  }
  return firing;
}

bool Same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), SameBits);
}

// Blocks of K-quants always lie across neurons.
bool HasOwnScales(DType type) { return BlockElements(type) != 1 && !IsKQuant(type); }

// Rounding in F32, and what factors of 16 bits may lose: a step, 2^-14 of the largest, for each.
double Tolerance(const Neurons& w, const List& list, const float* h, int64_t c, double terms) {
  const double rounding = 3e-6 * terms + 1e-30;
  if (BlockElements(w.matrix.type) == 1) return rounding;
  const bool own = w.scales == NeuronScales::kOwn;
  double largest = 0, quants = 0;
  for (size_t i = 0; i < list.rows.size(); ++i) {
    const double scale = own ? std::fabs(w.ScaleAt(list.rows[i], c)) : 0;
    const double factor = std::fabs(static_cast<double>(h[list.positions[i]]));
    largest = std::max(largest, own ? factor * scale : factor);
    quants += std::fabs(w.At(list.rows[i], c)) / (own && scale > 0 ? scale : 1.0);
  }
  return rounding + std::max(0x1p-14 * largest, 0x1p-126) * quants;
}

void CheckValues(const Neurons& w, const List& list, const float* h, const float* before,
                 const float* y) {
  for (int64_t c = 0; c < w.matrix.cols; ++c) {
    double sum = static_cast<double>(before[c]);
    double terms = std::fabs(sum);
    for (size_t i = 0; i < list.rows.size(); ++i) {
      const double term = static_cast<double>(h[list.positions[i]]) * w.At(list.rows[i], c);
      sum += term;
      terms += std::fabs(term);
    }
    EXPECT_NEAR(y[c], sum, Tolerance(w, list, h, c, terms));
  }
}

// Quantised sums are the same in every set of kernels, bit for bit.
void CheckAgainstReference(const Kernels& kernels, const Neurons& w, const List& list,
                           const float* h, const std::vector<float>& before,
                           const std::vector<float>& y) {
  if (BlockElements(w.matrix.type) == 1 || &kernels == &ReferenceKernels()) return;
  std::vector<float> expected = before;
  ReferenceKernels().accumulate_neurons(w.matrix, list.view(), h, expected.data());
  EXPECT_TRUE(Same(y, expected));
}

void CheckList(const Kernels& kernels, const Neurons& w, const List& list,
               const std::vector<float>& h, int64_t h_stride, int64_t tokens, Random& random) {
  const int64_t cols = w.matrix.cols;
  const std::vector<float> before = random.Normals(cols);

  // One token: values, and the same bits with the silent entries left out.
  std::vector<float> y = before;
  kernels.accumulate_neurons(w.matrix, list.view(), h.data(), y.data());
  CheckValues(w, list, h.data(), before.data(), y.data());
  CheckAgainstReference(kernels, w, list, h.data(), before, y);
  std::vector<float> again = before;
  kernels.accumulate_neurons(w.matrix, Firing(list, h.data()).view(), h.data(), again.data());
  EXPECT_TRUE(Same(y, again));

  // The same bits from rows that others lie between.
  if (w.matrix.group_bytes == 0) {
    const suite::Apart<NeuronMatrix> apart(w.matrix);
    again = before;
    kernels.accumulate_neurons(apart.matrix, list.view(), h.data(), again.data());
    EXPECT_TRUE(Same(y, again));
    std::vector<float> sums(static_cast<size_t>(tokens * cols), 0.0F), expected = sums;
    kernels.add_neurons(w.matrix, list.view(), h.data(), h_stride, tokens, 0, cols, expected.data(),
                        cols);
    kernels.add_neurons(apart.matrix, list.view(), h.data(), h_stride, tokens, 0, cols, sums.data(),
                        cols);
    EXPECT_TRUE(Same(sums, expected));
  }

  // Several tokens: per token the sum from zero, added once; other columns untouched.
  const int64_t y_stride = cols + 5;
  const std::vector<float> batch_before = random.Normals(tokens * y_stride);
  std::vector<float> expected = batch_before;
  for (int64_t t = 0; t < tokens; ++t) {
    std::vector<float> sum(static_cast<size_t>(cols), 0.0F);
    kernels.accumulate_neurons(w.matrix, list.view(), h.data() + t * h_stride, sum.data());
    for (int64_t c = 0; c < cols; ++c) {
      expected[static_cast<size_t>(t * y_stride + c)] += sum[static_cast<size_t>(c)];
    }
  }
  std::vector<float> batch = batch_before;
  kernels.add_neurons(w.matrix, list.view(), h.data(), h_stride, tokens, 0, cols, batch.data(),
                      y_stride);
  EXPECT_TRUE(Same(batch, expected));
  // In column pieces, and in two groups of tokens.
  batch = batch_before;
  for (int64_t c = 0; c < cols;) {
    const int64_t end = std::min(cols, c + kNeuronColumns * (1 + random.Below(4)));
    const int64_t first = random.Below(tokens + 1);
    kernels.add_neurons(w.matrix, list.view(), h.data(), h_stride, first, c, end, batch.data(),
                        y_stride);
    kernels.add_neurons(w.matrix, list.view(), h.data() + first * h_stride, h_stride,
                        tokens - first, c, end, batch.data() + first * y_stride, y_stride);
    c = end;
  }
  EXPECT_TRUE(Same(batch, expected));
}

void CheckShape(const Kernels& kernels, DType type, NeuronScales scales, int64_t n, int64_t cols,
                int64_t tokens, double silent) {
  Random random(static_cast<uint32_t>(n * 131 + cols * 7 + tokens));
  const Neurons w(type, scales, n, cols, random);
  std::vector<uint32_t> position_of(static_cast<size_t>(n));
  for (size_t i = 0; i < position_of.size(); ++i) position_of[i] = static_cast<uint32_t>(i);
  for (size_t i = position_of.size(); i > 1; --i) {
    std::swap(position_of[i - 1],
              position_of[static_cast<size_t>(random.Below(static_cast<int64_t>(i)))]);
  }
  const int64_t h_stride = n + 3;
  std::vector<float> h = random.Normals((tokens - 1) * h_stride + n);
  for (float& v : h) {
    if (static_cast<double>(random.Below(1000)) < silent * 1000) v = 0;
  }
  for (const int64_t count : {int64_t{0}, int64_t{1}, int64_t{2}, int64_t{7}, int64_t{9},
                              int64_t{63}, int64_t{64}, int64_t{65}, int64_t{255}, int64_t{256},
                              int64_t{257}, n - 1, n}) {
    if (count > n) continue;
    for (const bool ascending : {true, false}) {
      const List list = MakeList(n, count, ascending, position_of, random);
      CheckList(kernels, w, list, h, h_stride, tokens, random);
    }
  }
}

void CheckScales(const Kernels& kernels, DType type, NeuronScales scales) {
  const bool quantized = BlockElements(type) != 1;
  const bool super = IsKQuant(type);  // neurons by 256
  for (const int64_t cols : {1, 3, 17, 32, 64, 96, 100, 128, 160, 288, 352}) {
    if (quantized && cols % 32 != 0) continue;
    if (FewShapes(kernels) && cols % 3 != 0) continue;
    CheckShape(kernels, type, scales, super ? 256 : 96, cols, 1 + cols % 9, 0.5);
  }
  for (const int64_t tokens : {1, 2, 3, 4, 5, 6, 7, 8, 9, 35}) {
    if (FewShapes(kernels) && tokens % 4 != 1) continue;
    CheckShape(kernels, type, scales, super ? 256 : 64, 96, tokens, 0.7);
  }
  CheckShape(kernels, type, scales, super ? 512 : 320, 128, 3, 0.9);
  CheckShape(kernels, type, scales, super ? 256 : 64, 1184, 2, 0.0);
}

// What is not finite shows in every column, and values of any size keep their digits.
void CheckExtremes(const Kernels& kernels, DType type, NeuronScales scales) {
  Random random(5);
  const Neurons w(type, scales, std::max<int64_t>(64, BlockElements(type)), 160, random);
  List list;
  for (uint32_t i = 0; i < 64; ++i) {
    list.rows.push_back(i);
    list.positions.push_back(i);
  }
  for (const float size : {1e-40F, 1e-30F, 1e-10F, 1e10F, 1e28F}) {
    std::vector<float> h = random.Normals(64);
    for (float& value : h) value *= size;
    const std::vector<float> before(160, 0.0F);
    std::vector<float> y = before;
    kernels.accumulate_neurons(w.matrix, list.view(), h.data(), y.data());
    CheckValues(w, list, h.data(), before.data(), y.data());
    CheckAgainstReference(kernels, w, list, h.data(), before, y);
  }
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity}) {
    for (const int64_t count : {1, 27}) {
      std::vector<float> h = random.Normals(64), y(160, 0.0F);
      std::fill_n(h.begin() + 37, count, bad);
      kernels.accumulate_neurons(w.matrix, list.view(), h.data(), y.data());
      EXPECT_TRUE(std::none_of(y.begin(), y.end(), [](float v) { return std::isfinite(v); }));
    }
  }
}

}  // namespace

void CheckNeurons(const Kernels& kernels) {
  for (const DType type : suite::kTypes) {
    CheckScales(kernels, type, NeuronScales::kShared);
    if (BlockElements(type) == 1) continue;
    CheckExtremes(kernels, type, NeuronScales::kShared);
    if (!HasOwnScales(type)) continue;
    CheckScales(kernels, type, NeuronScales::kOwn);
    CheckExtremes(kernels, type, NeuronScales::kOwn);
  }
}

}  // namespace thermocline
