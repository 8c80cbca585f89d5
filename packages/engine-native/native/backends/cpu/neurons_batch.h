// Adding up rows of the down matrix for several tokens at once: a tile of tokens and
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

// --- plain types ----------------------------------------------------------------------------

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
                                     tile.list.rows[i + kNeuronsAhead] * tile.w.row_bytes +
                                     c * kElementBytes<T>;
      TC_UNROLL
      for (int64_t b = 0; b < V * kLanes * kElementBytes<T>; b += 64) Prefetch(ahead + b);
    }
    const std::byte* const row = tile.w.data + tile.list.rows[i] * tile.w.row_bytes;
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

// --- quantised types ------------------------------------------------------------------------

template <DType T, int N, int B>
TC_INLINE void SumQuantTile(const SumTile& tile, int64_t c) {
  constexpr int kVectors = B * kBlockVectors;
  float totals[N][kVectors * kLanes];
  TC_UNROLL
  for (int t = 0; t < N; ++t) {
    TC_UNROLL
    for (int v = 0; v < kVectors; ++v) Store(totals[t] + v * kLanes, Zero());
  }
  for (int64_t i = 0; i < tile.list.count;) {
    const int64_t group = tile.list.rows[i] / kBlock;
    const std::byte* const quants = tile.w.data + group * tile.w.group_bytes;
    F32 sums[N][kVectors];
    TC_UNROLL
    for (int t = 0; t < N; ++t) {
      TC_UNROLL
      for (int v = 0; v < kVectors; ++v) sums[t][v] = Zero();
    }
    for (; i < tile.list.count && tile.list.rows[i] / kBlock == group; ++i) {
      if (i + kNeuronsAhead < tile.list.count) {
        const int64_t row = tile.list.rows[i + kNeuronsAhead];
        Prefetch(tile.w.data + row / kBlock * tile.w.group_bytes + row % kBlock * tile.w.row_bytes +
                 c / kBlock * kQuantBlockBytes<T>);
      }
      const float* const h = tile.h + tile.list.positions[i];
      if (AllSilent<N>(h, tile.h_stride)) continue;
      const std::byte* const row = quants + tile.list.rows[i] % kBlock * tile.w.row_bytes;
      F32 weights[B][kBlockVectors];
      TC_UNROLL
      for (int b = 0; b < B; ++b) LoadQuants<T>(row, c + b * kBlock, weights[b]);
      TC_UNROLL
      for (int t = 0; t < N; ++t) {
        const F32 factor = Set(h[t * tile.h_stride]);
        TC_UNROLL
        for (int v = 0; v < kVectors; ++v) {
          sums[t][v] = Fma(factor, weights[v / kBlockVectors][v % kBlockVectors], sums[t][v]);
        }
      }
    }
    const std::byte* const scales = quants + kBlock * tile.w.row_bytes + 2 * c;
    TC_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const F32 scale = LoadF16(scales + 2 * v * kLanes);
      TC_UNROLL
      for (int t = 0; t < N; ++t) {
        float* const total = totals[t] + v * kLanes;
        Store(total, Fma(scale, sums[t][v], Load(total)));
      }
    }
  }
  TC_UNROLL
  for (int t = 0; t < N; ++t) {
    TC_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      float* const y = tile.y + t * tile.y_stride + c + v * kLanes;
      Store(y, Add(Load(y), Load(totals[t] + v * kLanes)));
    }
  }
}

template <DType T, int N>
void SumQuantColumns(const SumTile& tile, int64_t col_begin, int64_t col_end) {
  constexpr int kBlocks = kSumVectors / kBlockVectors > 0 ? kSumVectors / kBlockVectors : 1;
  int64_t c = col_begin;
  for (; c + kBlocks * kBlock <= col_end; c += kBlocks * kBlock) {
    SumQuantTile<T, N, kBlocks>(tile, c);
  }
  for (; c < col_end; c += kBlock) SumQuantTile<T, N, 1>(tile, c);
}

// Any order of rows, one token at a time.
template <DType T>
void SumQuantByToken(const SumTile& tile, int64_t n_tokens, int64_t col_begin, int64_t col_end) {
  constexpr int64_t kColumns = 256;
  float sums[kColumns];
  for (int64_t c = col_begin; c < col_end; c += kColumns) {
    const int64_t n = MinOf(kColumns, col_end - c);
    for (int64_t t = 0; t < n_tokens; ++t) {
      for (int64_t i = 0; i < n; i += kLanes) Store(sums + i, Zero());
      AccumulateQuant<T>(tile.w, tile.list, tile.h + t * tile.h_stride, c, c + n, sums);
      float* const y = tile.y + t * tile.y_stride + c;
      for (int64_t i = 0; i < n; i += kLanes) Store(y + i, Add(Load(y + i), Load(sums + i)));
    }
  }
}

// --- all tokens, all types ------------------------------------------------------------------------------

template <DType T>
TC_INLINE void SumQuantTokens(SumTile tile, int64_t n_tokens, int64_t col_begin,
                              int64_t col_end) {
  // Tokens can share the list's runs only where silent neurons do not part them.
  if (!GroupsAscend(tile.list)) {
    return SumQuantByToken<T>(tile, n_tokens, col_begin, col_end);
  }
  const float* const h = tile.h;
  float* const y = tile.y;
  int64_t t = 0;
  const auto run = [&]<int N>() __attribute__((always_inline)) {
    tile.h = h + t * tile.h_stride;
    tile.y = y + t * tile.y_stride;
    SumQuantColumns<T, N>(tile, col_begin, col_end);
    t += N;
  };
  while (t + kSumTokens <= n_tokens) run.template operator()<kSumTokens>();
  while (t + 2 <= n_tokens) run.template operator()<2>();
  if (t < n_tokens) run.template operator()<1>();
}

TC_INLINE void AddNeuronsAnyType(const SumTile& tile, int64_t n_tokens, int64_t col_begin,
                                 int64_t col_end) {
  switch (tile.w.type) {
    case DType::kF32:
      return SumPlainTokens<DType::kF32>(tile, n_tokens, col_begin, col_end);
    case DType::kF16:
      return SumPlainTokens<DType::kF16>(tile, n_tokens, col_begin, col_end);
    case DType::kBF16:
      return SumPlainTokens<DType::kBF16>(tile, n_tokens, col_begin, col_end);
    case DType::kQ8_0:
      return SumQuantTokens<DType::kQ8_0>(tile, n_tokens, col_begin, col_end);
    case DType::kQ4_0:
      return SumQuantTokens<DType::kQ4_0>(tile, n_tokens, col_begin, col_end);
    case DType::kQ4_K:
    case DType::kQ5_K:
    case DType::kQ6_K:
      return ReferenceKernels().add_neurons(tile.w, tile.list, tile.h, tile.h_stride, n_tokens,
                                            col_begin, col_end, tile.y, tile.y_stride);
  }
}

}  // namespace
}  // namespace thermocline
