#include <cmath>
#include <vector>

#include "backends/backend_suite.h"
#include "backends/suite_data.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using suite::Random;
using suite::SameBits;

// Cached entries whose last row ends where the memory ends.
struct Cache {
  std::vector<std::byte> bytes;
  KvView view;

  Cache(DType type, int64_t n, int64_t dim, int64_t stride_elements, Random& random)
      : bytes(suite::FileRows(type, 1, (n - 1) * stride_elements + dim, random)) {
    view = {bytes.data(), type, stride_elements * BlockBytes(type), n, dim};
  }
  double At(int64_t i, int64_t c) const {
    return suite::FileElement(view.type, bytes.data() + i * view.stride, view.head_dim, 0, c);
  }
  KvView Part(int64_t begin, int64_t n) const {
    KvView part = view;
    part.data += begin * view.stride;
    part.n = n;
    return part;
  }
};

void CheckShape(const Kernels& k, DType type, int64_t n, int64_t dim) {
  Random random(static_cast<uint32_t>(n * 100 + dim));
  const Cache cache(type, n, dim, dim + random.Below(2) * 8, random);
  const std::vector<float> q = random.Normals(dim);
  const float scale = 1.0F / std::sqrt(static_cast<float>(dim));

  std::vector<float> scores(static_cast<size_t>(n));
  k.attention_scores(q.data(), cache.view, scale, scores.data());
  bool same = true;
  for (int64_t i = 0; i < n; ++i) {
    double sum = 0, terms = 0;
    for (int64_t c = 0; c < dim; ++c) {
      const double term = static_cast<double>(q[static_cast<size_t>(c)]) * cache.At(i, c);
      sum += term;
      terms += std::fabs(term);
    }
    const auto at = static_cast<size_t>(i);
    EXPECT_NEAR(scores[at], static_cast<double>(scale) * sum,
                2e-6 * static_cast<double>(scale) * terms + 1e-30);
    float alone = 0;
    k.attention_scores(q.data(), cache.Part(i, 1), scale, &alone);
    same = same && SameBits(alone, scores[at]);
  }
  EXPECT_TRUE(same);

  const std::vector<float> p = random.Normals(n);
  std::vector<float> out(static_cast<size_t>(dim));
  k.attention_mix(p.data(), cache.view, out.data());
  for (int64_t c = 0; c < dim; ++c) {
    double sum = 0, terms = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double term = static_cast<double>(p[static_cast<size_t>(i)]) * cache.At(i, c);
      sum += term;
      terms += std::fabs(term);
    }
    EXPECT_NEAR(out[static_cast<size_t>(c)], sum, 3e-6 * terms + 1e-30);
  }
}

}  // namespace

void CheckAttention(const Kernels& kernels) {
  for (const DType type : {DType::kF16, DType::kF32}) {
    for (const int64_t dim : {1, 5, 17, 48, 64, 80, 96, 100, 128, 256, 300}) {
      for (const int64_t n : {1, 2, 3, 4, 5, 7, 33, 100}) CheckShape(kernels, type, n, dim);
    }
    CheckShape(kernels, type, 2000, 64);
  }
}

void CheckKernels(const Kernels& kernels) {
  CheckMatmul(kernels);
  CheckNeurons(kernels);
  CheckElementwise(kernels);
  CheckAttention(kernels);
}

}  // namespace thermocline
