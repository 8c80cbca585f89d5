#include <algorithm>
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

// Keys and values of one head; the last value ends where the memory ends.
struct Cache {
  std::vector<std::byte> key_bytes, value_bytes;
  KeyView keys;
  KvView values;

  Cache(DType type, int64_t n, int64_t dim, Random& random) {
    const int64_t stride = dim + random.Below(2) * 8;
    const int64_t blocks = (n + kKeyBlock - 1) / kKeyBlock;
    key_bytes = suite::FileRows(type, 1, blocks * kKeyBlock * dim, random);
    value_bytes = suite::FileRows(type, 1, (n - 1) * stride + dim, random);
    keys = {key_bytes.data(), type, n, dim};
    values = {value_bytes.data(), type, stride * BlockBytes(type), n, dim};
  }
  double Key(int64_t i, int64_t c) const {
    const int64_t at = (i / kKeyBlock * keys.head_dim + c) * kKeyBlock + i % kKeyBlock;
    return suite::FileElement(keys.type, key_bytes.data(), 1, 0, at);
  }
  double Value(int64_t i, int64_t c) const {
    return suite::FileElement(values.type, value_bytes.data() + i * values.stride, 1, 0, c);
  }
};

// What some queries, each with its own number of positions, find.
struct Found {
  std::vector<float> mixed;  // [queries][dim]
  std::vector<AttentionSum> sums;

  Found(const Kernels& k, const Cache& cache, const std::vector<const float*>& q,
        const std::vector<int64_t>& n, float scale)
      : mixed(q.size() * static_cast<size_t>(cache.keys.head_dim)), sums(q.size()) {
    for (size_t i = 0; i < q.size(); ++i) {
      sums[i].mixed = mixed.data() + i * static_cast<size_t>(cache.keys.head_dim);
    }
    std::vector<float> scores(kAttentionRows * kAttentionPiece);
    k.attend({q.data(), n.data(), static_cast<int64_t>(q.size())}, cache.keys, cache.values, scale,
             scores.data(), sums.data());
  }
};

// One query's sum against double precision.
void CheckSum(const Cache& cache, const float* q, int64_t n, float scale,
              const AttentionSum& sum) {
  const int64_t dim = cache.keys.head_dim;
  std::vector<double> scores;
  double slack = 0;  // of a score, and so of the logarithm of a weight
  for (int64_t i = 0; i < n; ++i) {
    double dot = 0, terms = 0;
    for (int64_t c = 0; c < dim; ++c) {
      const double term = static_cast<double>(q[c]) * cache.Key(i, c);
      dot += term;
      terms += std::fabs(term);
    }
    scores.push_back(static_cast<double>(scale) * dot);
    slack = std::max(slack, 4e-6 * static_cast<double>(scale) * terms);
  }
  const double max = *std::max_element(scores.begin(), scores.end());
  EXPECT_NEAR(sum.max, max, slack + 1e-30);
  double total = 0;
  for (double& score : scores) total += score = std::exp(score - static_cast<double>(sum.max));
  EXPECT_NEAR(sum.total, total, (4e-6 + slack) * total);
  for (int64_t c = 0; c < dim; ++c) {
    double mixed = 0, terms = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double term = scores[static_cast<size_t>(i)] * cache.Value(i, c);
      mixed += term;
      terms += std::fabs(term);
    }
    EXPECT_NEAR(sum.mixed[c], mixed, (6e-6 + slack) * terms + 1e-30);
  }
}

// Queries together, each with its own number of positions; then each alone, which has the same
// bits.
void CheckShape(const Kernels& k, DType type, int64_t n, int64_t dim, int64_t n_queries) {
  Random random(static_cast<uint32_t>(n * 1000 + dim * 10 + n_queries));
  const Cache cache(type, n, dim, random);
  const float scale = 1.0F / std::sqrt(static_cast<float>(dim));
  const std::vector<float> values = random.Normals(n_queries * dim);
  std::vector<const float*> q;
  std::vector<int64_t> counts;
  for (int64_t i = 0; i < n_queries; ++i) {
    q.push_back(values.data() + i * dim);
    counts.push_back(std::max<int64_t>(1, n - random.Below(4)));
  }
  counts.back() = n;
  const Found together(k, cache, q, counts, scale);
  bool same = true;
  for (size_t i = 0; i < q.size(); ++i) {
    const AttentionSum& sum = together.sums[i];
    CheckSum(cache, q[i], counts[i], scale, sum);
    const Found alone(k, cache, {q[i]}, {counts[i]}, scale);
    same = same && SameBits(alone.sums[0].max, sum.max) &&
           SameBits(alone.sums[0].total, sum.total) &&
           std::equal(alone.mixed.begin(), alone.mixed.end(), sum.mixed, SameBits);
  }
  EXPECT_TRUE(same);
}

// Two pieces joined are what both are at once.
void CheckMerge(const Kernels& k) {
  Random random(8);
  for (const int64_t dim : {1, 17, 64, 100}) {
    for (const float apart : {0.0F, 0.7F, -30.0F, 200.0F}) {
      std::vector<float> a = random.Normals(dim), b = random.Normals(dim);
      const std::vector<float> before = a;
      AttentionSum sum{1.5F, 3.0F, a.data()};
      k.merge_attention({1.5F + apart, 7.0F, b.data()}, dim, &sum);
      const double max = 1.5 + std::max(0.0, static_cast<double>(apart));
      const double keep = std::exp(1.5 - max), take = std::exp(1.5 + static_cast<double>(apart) - max);
      EXPECT_NEAR(sum.max, max, 1e-5);
      EXPECT_NEAR(sum.total, 3 * keep + 7 * take, 1e-5);
      for (size_t c = 0; c < a.size(); ++c) {
        EXPECT_NEAR(a[c], static_cast<double>(before[c]) * keep + static_cast<double>(b[c]) * take,
                    2e-5);
      }
    }
  }
}

// A value that is no number shows in the query that meets it, and in no other.
void CheckFaults(const Kernels& k) {
  Random random(9);
  const Cache cache(DType::kF32, 20, 32, random);
  std::vector<float> q = random.Normals(64);
  q[3] = std::numeric_limits<float>::quiet_NaN();
  const Found found(k, cache, {q.data(), q.data() + 32}, {20, 20}, 0.2F);
  EXPECT_TRUE(std::isnan(found.sums[0].total));
  EXPECT_FALSE(std::isnan(found.sums[1].total));
}

}  // namespace

void CheckAttention(const Kernels& kernels) {
  for (const DType type : {DType::kF16, DType::kF32}) {
    for (const int64_t dim : {1, 5, 17, 48, 64, 80, 96, 100, 128, 256, 300}) {
      for (const int64_t n : {1, 2, 5, 15, 16, 17, 33, 100}) CheckShape(kernels, type, n, dim, 5);
    }
    for (int64_t queries = 1; queries <= kAttentionRows; ++queries) {
      CheckShape(kernels, type, 65, 72, queries);
    }
    CheckShape(kernels, type, kAttentionPiece, 64, kAttentionRows);
    CheckShape(kernels, type, kAttentionPiece - 1, 128, 8);
  }
  CheckMerge(kernels);
  CheckFaults(kernels);
}

void CheckKernels(const Kernels& kernels) {
  CheckMatmul(kernels);
  CheckNeurons(kernels);
  CheckElementwise(kernels);
  CheckAttention(kernels);
}

}  // namespace thermocline
