// Attention of several queries over a piece of one head's cached keys and values. A lane of a
// vector is a position while scores are made, and a column while values are added up, so nothing
// is summed across lanes but the softmax's total. Every score and every output is one chain of
// fused multiply-adds, whatever tile it is in. Included after an instruction set's vector.h.
#pragma once

#include "backends/cpu/elementwise.h"

namespace thermocline {
namespace {

template <DType T>
constexpr int64_t kCachedBytes = T == DType::kF32 ? 4 : 2;

// Scores of N queries and V vectors of positions, from `vector` on. With kFetch the values of the
// same positions, which are as many bytes, and the keys behind are asked for meanwhile.
template <DType T, int N, int V, bool kFetch>
TC_INLINE void KeyScores(const float* const* q, const KeyView& keys, const KvView& values,
                         int64_t vector, float scale, float* scores) {
  constexpr int64_t kColumnBytes = kKeyBlock * kCachedBytes<T>;
  constexpr int64_t kStepBytes = V * kLanes * kCachedBytes<T>;
  const std::byte* columns[V];
  F32 sums[N][V];
  TC_UNROLL
  for (int v = 0; v < V; ++v) {
    const int64_t position = (vector + v) * kLanes;
    columns[v] = keys.data + position / kKeyBlock * keys.head_dim * kColumnBytes +
                 position % kKeyBlock * kCachedBytes<T>;
    TC_UNROLL
    for (int n = 0; n < N; ++n) sums[n][v] = Zero();
  }
  const int64_t stretch = vector * kLanes * keys.head_dim * kCachedBytes<T>;
  for (int64_t d = 0; d < keys.head_dim; ++d) {
    if constexpr (kFetch) {
      TC_UNROLL
      for (int64_t b = 0; b < kStepBytes; b += 64) {
        Prefetch(values.data + stretch + d * kStepBytes + b);
        Prefetch(keys.data + stretch + (keys.head_dim + d) * kStepBytes + b);
      }
    }
    F32 column[V];
    TC_UNROLL
    for (int v = 0; v < V; ++v) column[v] = LoadElements<T>(columns[v] + d * kColumnBytes, 0);
    TC_UNROLL
    for (int n = 0; n < N; ++n) {
      const F32 query = Set(q[n][d]);
      TC_UNROLL
      for (int v = 0; v < V; ++v) sums[n][v] = Fma(query, column[v], sums[n][v]);
    }
  }
  TC_UNROLL
  for (int n = 0; n < N; ++n) {
    TC_UNROLL
    for (int v = 0; v < V; ++v) {
      Store(scores + n * kAttentionPiece + (vector + v) * kLanes, Mul(Set(scale), sums[n][v]));
    }
  }
}

template <DType T, int N, bool kFetch>
TC_INLINE void ScoreRows(const float* const* q, const KeyView& keys, const KvView& values,
                         int64_t n, float scale, float* scores) {
  const int64_t vectors = (n + kLanes - 1) / kLanes;
  int64_t vector = 0;
  for (; vector + kSumVectors <= vectors; vector += kSumVectors) {
    KeyScores<T, N, kSumVectors, kFetch>(q, keys, values, vector, scale, scores);
  }
  for (; vector < vectors; ++vector) {
    KeyScores<T, N, 1, kFetch>(q, keys, values, vector, scale, scores);
  }
}

// x = e^(x - max x), in place; the sum of them.
TC_INLINE float Exponentials(float* x, int64_t n, float* max) {
  float largest = x[0];
  int64_t i = 0;
  if (n >= kLanes) {
    F32 most = Load(x);
    for (i = kLanes; i + kLanes <= n; i += kLanes) most = Max(most, Load(x + i));
    largest = ReduceMax(most);
  }
  for (; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
  *max = largest;

  const F32 shift = Set(largest);
  F32 sum = Zero();
  for (i = 0; i + kLanes <= n; i += kLanes) {
    const F32 e = Exp(Sub(Load(x + i), shift));
    sum = Add(sum, e);
    Store(x + i, e);
  }
  if (i < n) {
    const F32 e = KeepFirst(Exp(Sub(LoadPart(x + i, n - i), shift)), n - i);
    sum = Add(sum, e);
    StorePart(x + i, e, n - i);
  }
  return ReduceAdd(sum);
}

// The values of positions [begin, end), times their weights, onto V vectors of columns from c on
// of N rows; with kPart the one vector holds `width` columns.
template <DType T, int N, int V, bool kPart>
TC_INLINE void MixTile(const float* weights, const KvView& values, int64_t begin, int64_t end,
                       int64_t c, int64_t width, const AttentionSum* rows) {
  F32 sums[N][V];
  TC_UNROLL
  for (int n = 0; n < N; ++n) {
    TC_UNROLL
    for (int v = 0; v < V; ++v) {
      const float* const from = rows[n].mixed + c + v * kLanes;
      sums[n][v] = begin == 0 ? Zero() : kPart ? LoadPart(from, width) : Load(from);
    }
  }
  for (int64_t i = begin; i < end; ++i) {
    const std::byte* const row = values.data + i * values.stride;
    F32 value[V];
    TC_UNROLL
    for (int v = 0; v < V; ++v) {
      value[v] = kPart ? LoadElementsPart<T>(row, c, width) : LoadElements<T>(row, c + v * kLanes);
    }
    TC_UNROLL
    for (int n = 0; n < N; ++n) {
      const F32 weight = Set(weights[n * kAttentionPiece + i]);
      TC_UNROLL
      for (int v = 0; v < V; ++v) sums[n][v] = Fma(weight, value[v], sums[n][v]);
    }
  }
  TC_UNROLL
  for (int n = 0; n < N; ++n) {
    TC_UNROLL
    for (int v = 0; v < V; ++v) {
      float* const to = rows[n].mixed + c + v * kLanes;
      if constexpr (kPart) {
        StorePart(to, sums[n][v], width);
      } else {
        Store(to, sums[n][v]);
      }
    }
  }
}

template <DType T, int N>
TC_INLINE void MixRows(const float* weights, const KvView& values, int64_t begin, int64_t end,
                       const AttentionSum* rows) {
  constexpr int kWide = 2 * kSumVectors;
  const int64_t dim = values.head_dim;
  int64_t c = 0;
  if constexpr (2 * N <= kSumTokens) {  // registers left for more columns
    for (; c + kWide * kLanes <= dim; c += kWide * kLanes) {
      MixTile<T, N, kWide, false>(weights, values, begin, end, c, 0, rows);
    }
  }
  for (; c + kSumVectors * kLanes <= dim; c += kSumVectors * kLanes) {
    MixTile<T, N, kSumVectors, false>(weights, values, begin, end, c, 0, rows);
  }
  for (; c + kLanes <= dim; c += kLanes) {
    MixTile<T, N, 1, false>(weights, values, begin, end, c, 0, rows);
  }
  if (c < dim) MixTile<T, N, 1, true>(weights, values, begin, end, c, dim - c, rows);
}

template <DType T, int N>
void AttendRows(const float* const* q, const int64_t* n, const KeyView& keys,
                const KvView& values, float scale, bool fetch, float* scores, AttentionSum* rows) {
  int64_t most = n[0];
  int64_t least = n[0];
  for (int i = 1; i < N; ++i) {
    most = n[i] > most ? n[i] : most;
    least = MinOf(least, n[i]);
  }
  if (fetch) {
    ScoreRows<T, N, true>(q, keys, values, most, scale, scores);
  } else {
    ScoreRows<T, N, false>(q, keys, values, most, scale, scores);
  }
  for (int i = 0; i < N; ++i) {
    rows[i].total = Exponentials(scores + i * kAttentionPiece, n[i], &rows[i].max);
  }
  // What all of them see, then what only later ones do.
  MixRows<T, N>(scores, values, 0, least, rows);
  for (int i = 0; i < N; ++i) {
    if (n[i] == least) continue;
    MixRows<T, 1>(scores + i * kAttentionPiece, values, least, n[i], rows + i);
  }
}

// Calls AttendRows with n rows, 1 <= n <= N.
template <DType T, int N>
TC_INLINE void AttendUpTo(int64_t n, const float* const* q, const int64_t* counts,
                          const KeyView& keys, const KvView& values, float scale, bool fetch,
                          float* scores, AttentionSum* rows) {
  if (n == N) return AttendRows<T, N>(q, counts, keys, values, scale, fetch, scores, rows);
  if constexpr (N > 1) {
    AttendUpTo<T, N - 1>(n, q, counts, keys, values, scale, fetch, scores, rows);
  }
}

// In tiles of about equal height: seven rows as four and three.
template <DType T>
TC_INLINE void AttendPiece(const AttentionQueries& queries, const KeyView& keys,
                           const KvView& values, float scale, float* scores, AttentionSum* sums) {
  int64_t tiles = (queries.count + kSumTokens - 1) / kSumTokens;
  for (int64_t i = 0; i < queries.count; --tiles) {
    const int64_t n = (queries.count - i + tiles - 1) / tiles;
    AttendUpTo<T, kSumTokens>(n, queries.q + i, queries.n + i, keys, values, scale, i == 0,
                              scores, sums + i);
    i += n;
  }
}

TC_INLINE void AttendAnyType(const AttentionQueries& queries, const KeyView& keys,
                             const KvView& values, float scale, float* scores,
                             AttentionSum* sums) {
  if (keys.type == DType::kF32) {
    return AttendPiece<DType::kF32>(queries, keys, values, scale, scores, sums);
  }
  AttendPiece<DType::kF16>(queries, keys, values, scale, scores, sums);
}

TC_INLINE float ExpOf(float x) {
  float lanes[kLanes];
  Store(lanes, Exp(Set(x)));
  return lanes[0];
}

TC_INLINE void MergeSums(const AttentionSum& next, int64_t dim, AttentionSum* sum) {
  const float max = sum->max > next.max ? sum->max : next.max;
  const float keep = ExpOf(sum->max - max);
  const float take = ExpOf(next.max - max);
  sum->max = max;
  sum->total = sum->total * keep + next.total * take;
  int64_t c = 0;
  for (; c + kLanes <= dim; c += kLanes) {
    Store(sum->mixed + c, Add(Mul(Set(keep), Load(sum->mixed + c)),
                              Mul(Set(take), Load(next.mixed + c))));
  }
  if (c < dim) {
    const int64_t n = dim - c;
    StorePart(sum->mixed + c, Add(Mul(Set(keep), LoadPart(sum->mixed + c, n)),
                                  Mul(Set(take), LoadPart(next.mixed + c, n))), n);
  }
}

}  // namespace
}  // namespace thermocline
