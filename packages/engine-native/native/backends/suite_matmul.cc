#include <algorithm>
#include <cmath>
#include <vector>

#include "backends/backend_suite.h"
#include "backends/suite_data.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using suite::FewShapes;
using suite::Inputs;
using suite::Random;
using suite::Rows;
using suite::SameBits;

constexpr float kUntouched = -12345.0F;

struct Case {
  const Kernels& kernels;
  const Rows& w;
  const Inputs& x;
  const RowMatrix matrix = w.matrix;

  int64_t rows() const { return w.matrix.rows; }
  int64_t tokens() const { return x.view.n_tokens; }

  std::vector<float> Run(RowSet set) const { return Run(set, x.view); }
  std::vector<float> Run(RowSet set, const Activations& inputs) const {
    std::vector<float> y(static_cast<size_t>(inputs.n_tokens * rows()), kUntouched);
    kernels.matmul(matrix, set, inputs, y.data(), rows());
    return y;
  }
};

// All rows against those of `x` in double precision, error measured in the size of the sum's terms.
void CheckNear(const Case& c, const std::vector<float>& y, const Inputs& x, double tolerance) {
  for (int64_t t = 0; t < c.tokens(); ++t) {
    for (int64_t r = 0; r < c.rows(); ++r) {
      double sum = 0;
      double terms = 0;
      for (int64_t k = 0; k < c.w.matrix.cols; ++k) {
        const double term = c.w.At(r, k) * x.At(t, k);
        sum += term;
        terms += std::fabs(term);
      }
      EXPECT_NEAR(y[static_cast<size_t>(t * c.rows() + r)], sum, tolerance * terms + 1e-30);
    }
  }
}

void CheckValues(const Case& c, const std::vector<float>& y) { CheckNear(c, y, c.x, 2e-6); }

// Products of quantised rows are the same sums in every set.
void CheckBitsOfReference(const Case& c, const std::vector<float>& y) {
  const Case reference{ReferenceKernels(), c.w, c.x};
  const std::vector<float> expected = reference.Run({nullptr, 0, c.rows()});
  EXPECT_TRUE(std::equal(y.begin(), y.end(), expected.begin(), SameBits));
}

// The rows of `set` have the bits of `all`, and no other row is written.
void CheckSubset(const Case& c, const std::vector<float>& all, RowSet set) {
  std::vector<bool> chosen(static_cast<size_t>(c.rows()), false);
  for (int64_t i = 0; i < set.count; ++i) {
    chosen[static_cast<size_t>(set.list != nullptr ? set.list[i] : set.begin + i)] = true;
  }
  const std::vector<float> y = c.Run(set);
  bool same = true;
  for (size_t i = 0; i < y.size(); ++i) {
    same = same && SameBits(y[i], chosen[i % static_cast<size_t>(c.rows())] ? all[i] : kUntouched);
  }
  EXPECT_TRUE(same);
}

void CheckRowsApart(const Case& c, const std::vector<float>& all) {
  const suite::Apart<RowMatrix> apart(c.w.matrix);
  const Case other{c.kernels, c.w, c.x, apart.matrix};
  CheckSubset(other, all, {nullptr, 0, c.rows()});
  const std::vector<uint32_t> list = {0, static_cast<uint32_t>(c.rows() - 1)};
  CheckSubset(other, all, {list.data(), 0, c.rows() > 1 ? 2 : 1});
}

void CheckRowSets(const Case& c, const std::vector<float>& all, Random& random) {
  const int64_t n = c.rows();
  for (const int64_t count : {int64_t{0}, int64_t{1}, int64_t{2}, int64_t{7}, int64_t{63},
                              int64_t{64}, int64_t{65}, int64_t{255}, int64_t{256}, int64_t{257},
                              n - 1, n}) {
    if (count < 0 || count > n) continue;
    CheckSubset(c, all, {nullptr, 0, count});
    CheckSubset(c, all, {nullptr, n - count, count});
    std::vector<uint32_t> list(static_cast<size_t>(n));
    for (size_t i = 0; i < list.size(); ++i) list[i] = static_cast<uint32_t>(i);
    for (size_t i = list.size(); i > 1; --i) {
      std::swap(list[i - 1], list[static_cast<size_t>(random.Below(static_cast<int64_t>(i)))]);
    }
    list.resize(static_cast<size_t>(count));
    CheckSubset(c, all, {list.data(), 0, count});  // any order
    std::sort(list.begin(), list.end());
    CheckSubset(c, all, {list.data(), 0, count});
  }
}

// Every token alone, and every split in two, gives the bits of all together.
void CheckTokens(const Case& c, const std::vector<float>& all) {
  for (int64_t split = 0; split < c.tokens(); split += c.tokens() > 33 ? testing::Stride(9) : 1) {
    bool same = true;
    const auto compare = [&](int64_t begin, int64_t n) {
      const std::vector<float> y = c.Run({nullptr, 0, c.rows()}, c.x.view.Tokens(begin, n));
      for (size_t i = 0; i < y.size(); ++i) {
        same = same && SameBits(y[i], all[static_cast<size_t>(begin * c.rows()) + i]);
      }
    };
    compare(split, 1);
    if (split > 0) compare(0, split);
    compare(split, c.tokens() - split);
    EXPECT_TRUE(same);
  }
}

// The same rows, met by inputs rounded to BF16. Of those the product is as exact as any; of the
// inputs before, it is as far off as eight bits are.
void CheckRounded(const Case& c, Random& random) {
  Inputs x = c.x;
  x.Round(c.kernels);
  const Case rounded{c.kernels, c.w, x};
  const std::vector<float> y = rounded.Run({nullptr, 0, c.rows()});
  CheckValues(rounded, y);
  CheckNear(rounded, y, c.x, 0x1p-8 + 2e-6);
  CheckTokens(rounded, y);
  if (c.rows() > 30) CheckRowSets(rounded, y, random);
}

void CheckShape(const Kernels& kernels, DType type, int64_t rows, int64_t cols, int64_t tokens) {
  Random random(static_cast<uint32_t>(rows * 7919 + cols * 31 + tokens));
  const Rows w(type, rows, cols, random);
  const int64_t stride = cols + random.Below(3);
  const Inputs x(kernels, BlockElements(type) != 1, tokens, cols, stride, random);
  const Case c{kernels, w, x};
  const std::vector<float> y = c.Run({nullptr, 0, rows});
  CheckValues(c, y);
  if (BlockElements(type) != 1 && &kernels != &ReferenceKernels()) CheckBitsOfReference(c, y);
  CheckTokens(c, y);
  CheckRowsApart(c, y);
  if (rows > 30) CheckRowSets(c, y, random);
  if (type == DType::kBF16 && kernels.f32_to_bf16 != nullptr) CheckRounded(c, random);
}

// Extreme quants and inputs: nothing may saturate on the way.
void CheckExtremes(const Kernels& kernels, DType type) {
  const int64_t cols = 3 * BlockElements(type);
  Random random(1);
  Rows w(type, 4, cols, random);
  for (int64_t b = 0; b < 4 * 3; ++b) {
    std::byte* const block = w.file.data() + b * BlockBytes(type);
    const std::byte low = type == DType::kQ8_0 ? std::byte{0x80} : std::byte{0x00};
    const std::byte high = type == DType::kQ8_0 ? std::byte{0x7F} : std::byte{0xFF};
    std::fill(block, block + BlockBytes(type), b / 3 % 2 == 0 ? low : high);
    if (type == DType::kQ6_K) {
      // All four corners: quants of -32 or 31 by scales of -128 or 127.
      const std::byte scale = b / 3 < 2 ? std::byte{0x80} : std::byte{0x7F};
      std::fill(block + 192, block + 208, scale);
      suite::Put16(block + 208, 0x3C00);
    } else {
      suite::Put16(block, 0x3C00);
      if (IsKQuant(type)) suite::Put16(block + 2, b / 3 < 2 ? 0x3C00 : 0);
    }
  }
  PackRows(type, w.file.data(), 4, cols, w.packed.data());
  for (const float sign : {1.0F, -1.0F}) {
    Inputs x(kernels, false, 1, cols, cols, random);
    std::fill(x.x.begin(), x.x.end(), sign);
    x.Quantize(kernels);
    const Case c{kernels, w, x};
    CheckValues(c, c.Run({nullptr, 0, 4}));
  }
}

void CheckNanShows(const Kernels& kernels, DType type) {
  Random random(2);
  const int64_t cols = std::max<int64_t>(64, BlockElements(type));
  const Rows w(type, 3, cols, random);
  for (const float bad : {NAN, INFINITY}) {
    Inputs x(kernels, false, 1, cols, cols, random);
    x.x[40] = bad;
    const auto check = [&] {
      float y[3] = {};
      kernels.matmul(w.matrix, {nullptr, 0, 3}, x.view, y, 3);
      for (const float v : y) EXPECT_FALSE(std::isfinite(v));
    };
    x.Quantize(kernels);
    check();
    if (type != DType::kBF16 || kernels.f32_to_bf16 == nullptr) continue;
    x.Round(kernels);
    check();
  }
}

// Last panels of every size, alone and after whole ones; every small number of tokens; more rows
// than stay in a cache.
void CheckPanels(const Kernels& kernels, DType type) {
  const int step = FewShapes(kernels) ? 8 : 1;
  for (int64_t blocks = 1; blocks <= 17; blocks += step) {
    CheckShape(kernels, type, 7, 32 * blocks, 3);
    CheckShape(kernels, type, 7, 32 * (blocks + 32), 1);
  }
  for (int64_t tokens = 1; tokens <= 33; tokens += step) {
    CheckShape(kernels, type, 6, 544, tokens);
  }
  CheckShape(kernels, type, 300, FewShapes(kernels) ? 96 : 1056, 7);
}

// Rows of superblocks: a half panel alone and after whole ones.
void CheckSuperblocks(const Kernels& kernels, DType type) {
  for (int64_t superblocks = 1; superblocks <= 5; ++superblocks) {
    CheckShape(kernels, type, 7, 256 * superblocks, 3);
    CheckShape(kernels, type, 7, 256 * superblocks, 1);
  }
  for (int64_t tokens = 1; tokens <= 33; tokens += FewShapes(kernels) ? 8 : 1) {
    CheckShape(kernels, type, 6, 768, tokens);
  }
  CheckShape(kernels, type, 300, 768, 1);
  if (!FewShapes(kernels)) CheckShape(kernels, type, 300, 768, 7);
}

}  // namespace

void CheckMatmul(const Kernels& kernels) {
  for (const DType type : suite::kTypes) {
    const bool quantized = BlockElements(type) != 1;
    for (const int64_t cols : {1, 3, 17, 32, 64, 96, 100, 128, 160, 256, 288}) {
      if (cols % BlockElements(type) != 0) continue;
      for (const int64_t tokens : {1, 2, 3, 4, 5, 6, 7, 8, 9, 32}) {
        if (FewShapes(kernels) && tokens % 4 != 1) continue;
        CheckShape(kernels, type, 19, cols, tokens);
      }
    }
    CheckShape(kernels, type, 9, 4096, 2);
    CheckShape(kernels, type, 5, 4096, 70);  // more tokens than pass at once
    if (IsKQuant(type)) {
      CheckSuperblocks(kernels, type);
    } else {
      CheckShape(kernels, type, 300, 96, 1);
      CheckShape(kernels, type, 300, 96, 5);
      if (quantized) CheckPanels(kernels, type);
    }
    if (quantized) CheckExtremes(kernels, type);
    CheckNanShows(kernels, type);
  }
}

}  // namespace thermocline
