// Attention over the cached keys and values of one head. Included after an instruction
// set's vector.h.
#pragma once

#include "backends/cpu/matmul_plain.h"

namespace thermocline {
namespace {

// The sums of R keys, lane by lane.
template <DType T, int R>
TC_INLINE void KeyProducts(const float* q, const std::byte* keys, int64_t stride, int64_t dim,
                           F32 (&sums)[R]) {
  TC_UNROLL
  for (int r = 0; r < R; ++r) sums[r] = Zero();
  int64_t k = 0;
  for (; k + kLanes <= dim; k += kLanes) {
    const F32 query = Load(q + k);
    TC_UNROLL
    for (int r = 0; r < R; ++r) {
      sums[r] = Fma(query, LoadElements<T>(keys + r * stride, k), sums[r]);
    }
  }
  if (k < dim) {
    const F32 query = LoadPart(q + k, dim - k);
    TC_UNROLL
    for (int r = 0; r < R; ++r) {
      sums[r] = Fma(query, LoadElementsPart<T>(keys + r * stride, k, dim - k), sums[r]);
    }
  }
}

template <DType T>
TC_INLINE void ScoresOf(const float* q, const KvView& keys, float scale, float* scores) {
  int64_t i = 0;
  for (; i + 4 <= keys.n; i += 4) {
    F32 sums[4];
    KeyProducts<T, 4>(q, keys.data + i * keys.stride, keys.stride, keys.head_dim, sums);
    ReduceAdd4(sums[0], sums[1], sums[2], sums[3], scores + i);
    for (int r = 0; r < 4; ++r) scores[i + r] *= scale;
  }
  for (; i < keys.n; ++i) {
    F32 sums[1];
    KeyProducts<T, 1>(q, keys.data + i * keys.stride, keys.stride, keys.head_dim, sums);
    scores[i] = scale * ReduceAdd(sums[0]);
  }
}

// V vectors of columns from c on; with kPart the one vector holds `n` columns.
template <DType T, int V, bool kPart>
TC_INLINE void MixColumns(const float* p, const KvView& values, int64_t c, int64_t n,
                          float* out) {
  F32 sums[V];
  TC_UNROLL
  for (int v = 0; v < V; ++v) sums[v] = Zero();
  for (int64_t i = 0; i < values.n; ++i) {
    const std::byte* const row = values.data + i * values.stride;
    const F32 weight = Set(p[i]);
    TC_UNROLL
    for (int v = 0; v < V; ++v) {
      const F32 value =
          kPart ? LoadElementsPart<T>(row, c, n) : LoadElements<T>(row, c + v * kLanes);
      sums[v] = Fma(weight, value, sums[v]);
    }
  }
  TC_UNROLL
  for (int v = 0; v < V; ++v) {
    if constexpr (kPart) {
      StorePart(out + c, sums[v], n);
    } else {
      Store(out + c + v * kLanes, sums[v]);
    }
  }
}

template <DType T>
TC_INLINE void MixOf(const float* p, const KvView& values, float* out) {
  const int64_t dim = values.head_dim;
  int64_t c = 0;
  for (; c + 8 * kLanes <= dim; c += 8 * kLanes) MixColumns<T, 8, false>(p, values, c, 0, out);
  if (c + 4 * kLanes <= dim) {
    MixColumns<T, 4, false>(p, values, c, 0, out);
    c += 4 * kLanes;
  }
  if (c + 2 * kLanes <= dim) {
    MixColumns<T, 2, false>(p, values, c, 0, out);
    c += 2 * kLanes;
  }
  if (c + kLanes <= dim) {
    MixColumns<T, 1, false>(p, values, c, 0, out);
    c += kLanes;
  }
  if (c < dim) MixColumns<T, 1, true>(p, values, c, dim - c, out);
}

}  // namespace
}  // namespace thermocline
