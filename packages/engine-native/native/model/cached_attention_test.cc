#include "model/cached_attention.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>
#include <random>

#include "util/testing.h"

namespace thermocline {
namespace {

struct Shape {
  int64_t heads, kv_heads, head_dim;
};

Hyperparameters ModelOf(const Shape& shape) {
  Hyperparameters model;
  model.heads = shape.heads;
  model.kv_heads = shape.kv_heads;
  model.head_dim = shape.head_dim;
  return model;
}

std::vector<float> Normals(int64_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(n));
  for (float& v : values) v = normal(random);
  return values;
}

KvCache MakeCache(const Shape& shape, int64_t positions, DType type) {
  const auto accountant = std::make_shared<Accountant>(Tier::kCpu, uint64_t{1} << 32);
  return KvCache::Create({1, shape.kv_heads, shape.head_dim, positions}, type, *accountant).value();
}

// A timeline with random keys and values in one layer, kept beside the cache.
struct Timeline {
  Shape shape;
  std::vector<float> k, v;  // [positions][kv_heads][head_dim]
  KvCache cache;

  Timeline(const Shape& s, int64_t positions, DType type, uint32_t seed)
      : shape(s),
        k(Normals(positions * s.kv_heads * s.head_dim, seed)),
        v(Normals(positions * s.kv_heads * s.head_dim, seed + 1)),
        cache(MakeCache(s, positions, type)) {
    for (int64_t i = 0; i < positions; ++i) {
      const int64_t at = i * s.kv_heads * s.head_dim;
      cache.Write(0, i, k.data() + at, v.data() + at, *SelectKernels("auto"));
    }
  }

  // What a query of `head` at `position` finds, in double precision.
  std::vector<double> Expected(const float* q, int64_t head, int64_t position) const {
    const int64_t kv_head = head / (shape.heads / shape.kv_heads);
    const auto row = [&](const std::vector<float>& from, int64_t i) {
      return from.data() + (i * shape.kv_heads + kv_head) * shape.head_dim;
    };
    std::vector<double> scores;
    for (int64_t i = 0; i <= position; ++i) {
      double dot = 0;
      for (int64_t c = 0; c < shape.head_dim; ++c) {
        dot += static_cast<double>(q[c]) * static_cast<double>(row(k, i)[c]);
      }
      scores.push_back(dot / std::sqrt(static_cast<double>(shape.head_dim)));
    }
    const double max = *std::max_element(scores.begin(), scores.end());
    double total = 0;
    for (double& score : scores) total += score = std::exp(score - max);
    std::vector<double> out(static_cast<size_t>(shape.head_dim));
    for (int64_t i = 0; i <= position; ++i) {
      for (int64_t c = 0; c < shape.head_dim; ++c) {
        out[static_cast<size_t>(c)] +=
            scores[static_cast<size_t>(i)] / total * static_cast<double>(row(v, i)[c]);
      }
    }
    return out;
  }
};

// The attention of `rows`, with room for the pieces of so many positions.
std::vector<float> Run(const Shape& shape, const std::vector<AttentionRow>& rows,
                       const std::vector<float>& q, int threads, int64_t positions) {
  ThreadPool pool(threads);
  CachedAttention attention(ModelOf(shape), pool, *SelectKernels("auto"));
  if (positions > 0) attention.Grow(positions);
  std::vector<float> out(q.size());
  attention.Run(rows, 0, q.data(), out.data());
  return out;
}

bool SameBits(const float* a, const float* b, int64_t n) {
  return std::equal(a, a + n, b, [](float x, float y) {
    return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y);
  });
}

const Shape kShapes[] = {{4, 4, 64}, {8, 1, 32}, {26, 2, 20}, {3, 1, 128}};

TEST(CachedAttention, IsSoftmaxOverWhatIsCached) {
  for (const Shape& shape : kShapes) {
    for (const int64_t n : {1, 16, 255, 256, 257, 700}) {
      const Timeline timeline(shape, n, DType::kF32, static_cast<uint32_t>(n));
      const std::vector<float> q = Normals(shape.heads * shape.head_dim, 5);
      const std::vector<float> out = Run(shape, {{&timeline.cache, n - 1}}, q, 2, n);
      for (int64_t head = 0; head < shape.heads; ++head) {
        const int64_t at = head * shape.head_dim;
        const auto expected = timeline.Expected(q.data() + at, head, n - 1);
        for (size_t c = 0; c < expected.size(); ++c) {
          EXPECT_NEAR(out[static_cast<size_t>(at) + c], expected[c], 2e-5);
        }
      }
    }
  }
}

// Rows of a batch, in blocks or piece by piece, on any number of threads: the bits of one row
// alone.
TEST(CachedAttention, ABatchHasTheBitsOfSingleRows) {
  for (const Shape& shape : kShapes) {
    for (const DType type : {DType::kF16, DType::kF32}) {
      const Timeline first(shape, 600, type, 1), second(shape, 300, type, 3);
      std::vector<AttentionRow> rows;
      for (int64_t i = 200; i < 330; ++i) rows.push_back({&first.cache, i});
      for (int64_t i = 297; i < 300; ++i) rows.push_back({&second.cache, i});
      const int64_t width = shape.heads * shape.head_dim;
      const std::vector<float> q = Normals(static_cast<int64_t>(rows.size()) * width, 7);
      const std::vector<float> blocks = Run(shape, rows, q, 1, 0);
      for (const int threads : {2, 40}) {  // few: blocks; many: pieces
        EXPECT_TRUE(SameBits(Run(shape, rows, q, threads, 600 * 200).data(), blocks.data(),
                             static_cast<int64_t>(q.size())));
      }
      for (size_t r = 0; r < rows.size(); r += 13) {
        const float* const own = q.data() + static_cast<int64_t>(r) * width;
        for (const int64_t room : {0, 600}) {  // none: a block; enough: pieces
          const std::vector<float> alone =
              Run(shape, {rows[r]}, std::vector<float>(own, own + width), 2, room);
          EXPECT_TRUE(SameBits(alone.data(), blocks.data() + static_cast<int64_t>(r) * width,
                               width));
        }
      }
    }
  }
}

TEST(CachedAttention, ACopiedCacheAnswersAlike) {
  const Shape shape = {6, 2, 48};
  const Timeline timeline(shape, 100, DType::kF16, 9);
  KvCache copy = MakeCache(shape, 100, DType::kF16);
  copy.CopyFrom(timeline.cache, 71);
  const std::vector<float> q = Normals(shape.heads * shape.head_dim, 2);
  const auto one = Run(shape, {{&timeline.cache, 70}}, q, 1, 100);
  const auto other = Run(shape, {{&copy, 70}}, q, 1, 100);
  EXPECT_TRUE(SameBits(one.data(), other.data(), static_cast<int64_t>(one.size())));
}

}  // namespace
}  // namespace thermocline
