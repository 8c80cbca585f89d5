// Products with quantised rows: integer dots of a panel of blocks, one block per lane, then
// one chain of fused multiply-adds per lane with the product of both scales. Every (row, token)
// pair goes through the same operations, whatever tile it is in. Included after an instruction
// set's quant.h.
#pragma once

#include "backends/cpu/k_panels.h"
#include "backends/cpu/matmul_plain.h"
#include "backends/cpu/panels.h"

namespace thermocline {
namespace {

// The sums of R rows and N tokens over one panel of n blocks.
template <typename Q, int R, int N, bool kPart>
TC_INLINE void PanelStep(const std::byte* const (&panels)[R], const PanelInputs (&x)[N], int64_t n,
                         F32 (&sums)[kSlices][R][N]) {
  TC_UNROLL
  for (int s = 0; s < kSlices; ++s) {
    const Lanes<kPart> lanes{kPart ? n : kPanel, s * kLanes};
    if (kPart && lanes.here() <= 0) break;
    typename Q::Inputs inputs[N];
    typename Q::Dots dots[R][N][Q::kDots];
    TC_UNROLL
    for (int t = 0; t < N; ++t) {
      inputs[t] = Q::LoadInputs(lanes, x[t]);
      TC_UNROLL
      for (int r = 0; r < R; ++r) {
        TC_UNROLL
        for (int d = 0; d < Q::kDots; ++d) dots[r][t][d].Start(Q::Start(inputs[t], d));
      }
    }
    TC_UNROLL
    for (int p = 0; p < kWords / 2; ++p) {
      Words weights[R][2];
      TC_UNROLL
      for (int r = 0; r < R; ++r) LoadPair<Q>(lanes, panels[r], p, weights[r]);
      TC_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int step = Q::kDots == 1 ? 2 * p + half : p;
        TC_UNROLL
        for (int t = 0; t < N; ++t) {
          const Words quants = lanes.Vector(x[t].q, p + half * (kWords / 2));
          TC_UNROLL
          for (int r = 0; r < R; ++r) {
            dots[r][t][half * (Q::kDots - 1)].Add(step, weights[r][half], quants);
          }
        }
      }
    }
    TC_UNROLL
    for (int r = 0; r < R; ++r) {
      const typename Q::Scales scales = Q::LoadScales(lanes, panels[r]);
      TC_UNROLL
      for (int t = 0; t < N; ++t) {
        sums[s][r][t] = Q::AddUp(dots[r][t], scales, inputs[t], sums[s][r][t]);
      }
    }
  }
}

// One sum per lane of a register. With the set's ReduceAdd the 16 lanes of a panel are added
// in the order that kernels.h names.
template <int R, int N>
TC_INLINE void FoldSlices(const F32 (&sums)[kSlices][R][N], F32 (&folded)[R][N]) {
  TC_UNROLL
  for (int r = 0; r < R; ++r) {
    TC_UNROLL
    for (int t = 0; t < N; ++t) {
      if constexpr (kSlices == 1) {
        folded[r][t] = sums[0][r][t];
      } else if constexpr (kSlices == 2) {
        folded[r][t] = Add(sums[0][r][t], sums[1][r][t]);
      } else {
        folded[r][t] = Add(Add(sums[0][r][t], sums[2][r][t]), Add(sums[1][r][t], sums[3][r][t]));
      }
    }
  }
}

// x: the activations from the tile's first token on.
template <typename Q, int R, int N, typename Fetcher>
TC_INLINE void QuantTile(const RowTile<R>& tile, const Fetcher& ahead, const Activations& x,
                         int64_t token, float* y, int64_t y_stride) {
  constexpr int64_t kBytes = Q::PanelBytes(kPanel);
  const int64_t blocks = x.cols / kBlock;
  F32 sums[kSlices][R][N];
  TC_UNROLL
  for (int s = 0; s < kSlices; ++s) {
    TC_UNROLL
    for (int r = 0; r < R; ++r) {
      TC_UNROLL
      for (int t = 0; t < N; ++t) sums[s][r][t] = Zero();
    }
  }
  const std::byte* panels[R];
  TC_UNROLL
  for (int r = 0; r < R; ++r) panels[r] = tile.data[r];
  PanelInputs inputs[N];
  int64_t panel = 0;
  for (; (panel + 1) * kPanel <= blocks; ++panel) {
    ahead.template Fetch<kBytes>(panel * kBytes);
    TC_UNROLL
    for (int t = 0; t < N; ++t) inputs[t] = InputsAt(x, token + t, panel);
    PanelStep<Q, R, N, false>(panels, inputs, kPanel, sums);
    TC_UNROLL
    for (int r = 0; r < R; ++r) panels[r] += kBytes;
  }
  if (panel * kPanel < blocks) {
    ahead.template Fetch<kBytes>(panel * kBytes);
    TC_UNROLL
    for (int t = 0; t < N; ++t) inputs[t] = InputsAt(x, token + t, panel);
    PanelStep<Q, R, N, true>(panels, inputs, blocks - panel * kPanel, sums);
  }
  F32 folded[R][N];
  FoldSlices(sums, folded);
  TC_UNROLL
  for (int t = 0; t < N; ++t) StoreSums(folded, t, tile, y + t * y_stride);
}

// One token, one row after the other. Several at a time would share the loads of inputs, but
// memory is read faster front to back: measured 31 GB/s on two threads where four rows at a time
// got 25. Rows of a range are left to the processor's own prefetching, which nothing surpassed.
template <typename Q>
TC_INLINE void MatvecQuant(const RowMatrix& w, const RowSet& rows, const Activations& x,
                           float* y) {
  if (OneStretch(w, rows)) {
    for (int64_t i = 0; i < rows.count; ++i) {
      QuantTile<Q, 1, 1>(TileAt<1>(w, rows, i), NothingAhead(), x, 0, y, 0);
    }
    return;
  }
  constexpr int64_t kLead = 16 << 10;  // bytes from a row's fetching to its use
  const int64_t lead = 1 + kLead / w.row_bytes;
  for (int64_t i = 0; i < MinOf(lead, rows.count); ++i) {  // those that no row is before
    FetchStretch(w.data + RowAt(rows, i) * w.stride, w.row_bytes);
  }
  for (int64_t i = 0; i < rows.count; ++i) {
    const RowAhead ahead{w.data + RowAt(rows, MinOf(i + lead, rows.count - 1)) * w.stride};
    QuantTile<Q, 1, 1>(TileAt<1>(w, rows, i), ahead, x, 0, y, 0);
  }
}

// Rows that pass by all tokens before others are read. Few tokens' inputs stay in the first
// cache while the rows pass one tile after the other, so that memory is read all the time. With
// many tokens the rows are what stays, in the second cache, while tokens pass by kQuantTokens.
TC_INLINE int64_t RowsAtOnce(const RowMatrix& w, int64_t n_tokens) {
  constexpr int64_t kInputBytes = 20 << 10, kRowBytes = 128 << 10;
  if (n_tokens * w.cols <= kInputBytes) return kQuantRows;
  const int64_t tiles = kRowBytes / (w.row_bytes * kQuantRows);
  return kQuantRows * (tiles < 4 ? 4 : tiles);
}

template <typename Q>
void MatmulQuant(const RowMatrix& w, RowSet rows, const Activations& x, float* y,
                 int64_t y_stride) {
  if (x.n_tokens == 1) return MatvecQuant<Q>(w, rows, x, y);
  const int64_t at_once = RowsAtOnce(w, x.n_tokens);
  const bool stretch = OneStretch(w, rows);
  const int64_t panels = (x.cols / kBlock + kPanel - 1) / kPanel;
  // What comes next is fetched in all passes over a tile, or where many tiles are passed by in turn,
  // which stay in a cache, in the first.
  const int64_t passes = at_once > kQuantRows ? 1 : (x.n_tokens + kQuantTokens - 1) / kQuantTokens;
  for (int64_t begin = 0; begin < rows.count; begin += at_once) {
    const int64_t end = MinOf(rows.count, begin + at_once);
    int64_t t = 0;
    int64_t pass = 0;
    const auto run = [&]<int N>() __attribute__((always_inline)) {
      const int64_t fetching = stretch && pass < passes ? passes : 0;
      for (int64_t i = begin; i < end; i += kQuantRows) {
        if (t == 0) FetchRowsAfter<kQuantRows>(w, rows, i);
        const auto ahead = StretchAhead::Of<kQuantRows>(w, rows, i, panels, pass, fetching);
        QuantTile<Q, kQuantRows, N>(TileAt<kQuantRows>(w, rows, i), ahead, x, t, y + t * y_stride,
                                    y_stride);
      }
      t += N;
      ++pass;
    };
    while (t + kQuantTokens <= x.n_tokens) run.template operator()<kQuantTokens>();
    while (x.n_tokens - t >= 3) run.template operator()<3>();
    if (x.n_tokens - t == 2) run.template operator()<2>();
    if (x.n_tokens - t == 1) run.template operator()<1>();
  }
}

// Every weight type; the one entry of a set.
TC_INLINE void MatmulAnyType(const RowMatrix& w, RowSet rows, const Activations& x, float* y,
                             int64_t y_stride) {
  if (rows.count <= 0 || x.n_tokens <= 0) return;
  switch (w.type) {
    case DType::kF32: return MatmulPlain<DType::kF32>(w, rows, x, y, y_stride);
    case DType::kF16: return MatmulPlain<DType::kF16>(w, rows, x, y, y_stride);
    case DType::kBF16: return MatmulPlain<DType::kBF16>(w, rows, x, y, y_stride);
    case DType::kQ8_0: return MatmulQuant<Q8>(w, rows, x, y, y_stride);
    case DType::kQ4_0: return MatmulQuant<Q4>(w, rows, x, y, y_stride);
    case DType::kQ4_K: return MatmulQuant<Q4K>(w, rows, x, y, y_stride);
    case DType::kQ5_K: return MatmulQuant<Q5K>(w, rows, x, y, y_stride);
    case DType::kQ6_K: return MatmulQuant<Q6K>(w, rows, x, y, y_stride);
  }
}

}  // namespace
}  // namespace thermocline
