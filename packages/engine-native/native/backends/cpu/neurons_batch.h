// Adding up plain rows of the down matrix for several tokens at once: a tile of tokens and
// columns stays in registers while the neurons pass. A factor of zero adds a product of
// zero to a sum that is never -0, which changes no bit, so a tile may hold tokens for which
// a neuron is silent. Included after an instruction set's vector.h.
#pragma once

#include "backends/cpu/neurons.h"

namespace thermocline {
namespace {

constexpr int64_t kNeuronsAhead = 8;  // how far ahead rows are prefetched

// h and y from the tile's first token on.
struct SumTile {
  const NeuronMatrix& w;
  const NeuronList& list;
  const float* h;
  int64_t h_stride;
  float* y;
  int64_t y_stride;
};

template <int N>
TC_INLINE bool AllSilent(const float* h, int64_t h_stride) {
  bool silent = true;
  TC_UNROLL
  for (int t = 0; t < N; ++t) silent = silent && h[t * h_stride] == 0;
  return silent;
}

// A stretch of neurons as the tiles read it: weights widened and side by side, instead of
// rows that lie a power of two apart and drive each other out of the caches.
constexpr int64_t kStretch = 96;       // neurons
constexpr int64_t kPanelTokens = 48;   // tokens that share a widened stretch

template <int V>
struct Panel {
  float weights[kStretch * V * kLanes];
  float sums[kPanelTokens * V * kLanes];
};

template <DType T, int V>
TC_INLINE void WidenStretch(const SumTile& tile, int64_t begin, int64_t n, int64_t c,
                            int64_t part, float* out) {
  for (int64_t i = begin; i < begin + n; ++i, out += V * kLanes) {
    if (i + kNeuronsAhead < tile.list.count) {
      const std::byte* const ahead = tile.w.data +
                                     tile.list.rows[i + kNeuronsAhead] * tile.w.stride +
                                     c * kElementBytes<T>;
      TC_UNROLL
      for (int64_t b = 0; b < V * kLanes * kElementBytes<T>; b += 64) Prefetch(ahead + b);
    }
    const std::byte* const row = tile.w.data + tile.list.rows[i] * tile.w.stride;
    if (part > 0) {
      Store(out, LoadElementsPart<T>(row, c, part));
      continue;
    }
    TC_UNROLL
    for (int v = 0; v < V; ++v) Store(out + v * kLanes, LoadElements<T>(row, c + v * kLanes));
  }
}

// Goes on with the sums of N tokens through one stretch. h: from the tile's first token on.
template <int N, int V>
TC_INLINE void SumStretch(const uint32_t* positions, int64_t n, const float* weights,
                          const float* h, int64_t h_stride, float* sums) {
  F32 totals[N][V];
  TC_UNROLL
  for (int t = 0; t < N; ++t) {
    TC_UNROLL
    for (int v = 0; v < V; ++v) totals[t][v] = Load(sums + (t * V + v) * kLanes);
  }
  for (int64_t i = 0; i < n; ++i, weights += V * kLanes) {
    const float* const factors = h + positions[i];
    if (AllSilent<N>(factors, h_stride)) continue;
    F32 row[V];
    TC_UNROLL
    for (int v = 0; v < V; ++v) row[v] = Load(weights + v * kLanes);
    TC_UNROLL
    for (int t = 0; t < N; ++t) {
      const F32 factor = Set(factors[t * h_stride]);
      TC_UNROLL
      for (int v = 0; v < V; ++v) totals[t][v] = Fma(factor, row[v], totals[t][v]);
    }
  }
  TC_UNROLL
  for (int t = 0; t < N; ++t) {
    TC_UNROLL
    for (int v = 0; v < V; ++v) Store(sums + (t * V + v) * kLanes, totals[t][v]);
  }
}

// At most kPanelTokens tokens; V vectors of columns from c on, or with V = 1 and part > 0 the
// first `part` columns of one.
template <DType T, int V>
void SumPanel(const SumTile& tile, int64_t n_tokens, int64_t c, int64_t part) {
  Panel<V> panel;
  for (int64_t i = 0; i < n_tokens * V; ++i) Store(panel.sums + i * kLanes, Zero());
  for (int64_t begin = 0; begin < tile.list.count; begin += kStretch) {
    const int64_t n = MinOf(kStretch, tile.list.count - begin);
    WidenStretch<T, V>(tile, begin, n, c, part, panel.weights);
    int64_t t = 0;
    const auto run = [&]<int N>() __attribute__((always_inline)) {
      SumStretch<N, V>(tile.list.positions + begin, n, panel.weights,
                       tile.h + t * tile.h_stride, tile.h_stride, panel.sums + t * V * kLanes);
      t += N;
    };
    while (t + kSumTokens <= n_tokens) run.template operator()<kSumTokens>();
    while (t + 2 <= n_tokens) run.template operator()<2>();
    if (t < n_tokens) run.template operator()<1>();
  }
  for (int64_t t = 0; t < n_tokens; ++t) {
    for (int v = 0; v < V; ++v) {
      float* const y = tile.y + t * tile.y_stride + c + v * kLanes;
      const F32 sum = Load(panel.sums + (t * V + v) * kLanes);
      if (part > 0) {
        StorePart(y, Add(LoadPart(y, part), sum), part);
      } else {
        Store(y, Add(Load(y), sum));
      }
    }
  }
}

template <DType T>
TC_INLINE void SumPlainTokens(SumTile tile, int64_t n_tokens, int64_t col_begin,
                              int64_t col_end) {
  for (int64_t t = 0; t < n_tokens; t += kPanelTokens) {
    const int64_t n = MinOf(kPanelTokens, n_tokens - t);
    int64_t c = col_begin;
    for (; c + kSumVectors * kLanes <= col_end; c += kSumVectors * kLanes) {
      SumPanel<T, kSumVectors>(tile, n, c, 0);
    }
    for (; c + kLanes <= col_end; c += kLanes) SumPanel<T, 1>(tile, n, c, 0);
    if (c < col_end) SumPanel<T, 1>(tile, n, c, col_end - c);
    tile.h += kPanelTokens * tile.h_stride;
    tile.y += kPanelTokens * tile.y_stride;
  }
}

}  // namespace
}  // namespace thermocline
