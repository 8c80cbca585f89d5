// Products with F32, F16 and BF16 rows. Every (row, token) pair is one chain of fused
// multiply-adds over the columns in order and one horizontal sum, whatever tile it is in.
// Included after an instruction set's vector.h.
#pragma once

#include "backends/cpu/rows.h"

namespace thermocline {
namespace {

template <DType T>
TC_INLINE F32 LoadElements(const std::byte* row, int64_t k) {
  if constexpr (T == DType::kF16) {
    return LoadF16(row + 2 * k);
  } else if constexpr (T == DType::kBF16) {
    return LoadBF16(row + 2 * k);
  } else {
    return Load(reinterpret_cast<const float*>(row) + k);
  }
}

template <DType T>
TC_INLINE F32 LoadElementsPart(const std::byte* row, int64_t k, int64_t n) {
  if constexpr (T == DType::kF16) {
    return LoadF16Part(row + 2 * k, n);
  } else if constexpr (T == DType::kBF16) {
    return LoadBF16Part(row + 2 * k, n);
  } else {
    return LoadPart(reinterpret_cast<const float*>(row) + k, n);
  }
}

template <DType T>
constexpr int64_t kElementBytes = T == DType::kF32 ? 4 : 2;

// Stores the sums of R chains for one token; R is 1 or a multiple of 4.
template <int R, int N>
TC_INLINE void StoreSums(const F32 (&sums)[R][N], int t, const RowTile<R>& tile, float* y) {
  float out[R];
  if constexpr (R % 4 == 0) {
    TC_UNROLL
    for (int r = 0; r < R; r += 4) {
      ReduceAdd4(sums[r][t], sums[r + 1][t], sums[r + 2][t], sums[r + 3][t], out + r);
    }
  } else {
    TC_UNROLL
    for (int r = 0; r < R; ++r) out[r] = ReduceAdd(sums[r][t]);
  }
  for (int r = 0; r < tile.count; ++r) y[tile.index[r]] = out[r];
}

// Elements in a cache line: one turn of the loop, so that every line is fetched once.
template <DType T>
constexpr int64_t kLineElements = kLine / kElementBytes<T>;

template <DType T, int R, int N>
TC_INLINE void PlainStep(const RowTile<R>& tile, const float* x, int64_t x_stride, int64_t k,
                         F32 (&sums)[R][N]) {
  F32 inputs[N];
  TC_UNROLL
  for (int t = 0; t < N; ++t) inputs[t] = Load(x + t * x_stride + k);
  TC_UNROLL
  for (int r = 0; r < R; ++r) {
    const F32 weights = LoadElements<T>(tile.data[r], k);
    TC_UNROLL
    for (int t = 0; t < N; ++t) sums[r][t] = Fma(weights, inputs[t], sums[r][t]);
  }
}

template <DType T, int R, int N>
TC_INLINE void PlainLastStep(const RowTile<R>& tile, const float* x, int64_t x_stride, int64_t k,
                             int64_t n, F32 (&sums)[R][N]) {
  F32 inputs[N];
  TC_UNROLL
  for (int t = 0; t < N; ++t) inputs[t] = LoadPart(x + t * x_stride + k, n);
  TC_UNROLL
  for (int r = 0; r < R; ++r) {
    const F32 weights = LoadElementsPart<T>(tile.data[r], k, n);
    TC_UNROLL
    for (int t = 0; t < N; ++t) sums[r][t] = Fma(weights, inputs[t], sums[r][t]);
  }
}

template <DType T, int R, int N, typename Fetcher>
TC_INLINE void PlainTile(const RowTile<R>& tile, const Fetcher& ahead, const float* x,
                         int64_t x_stride, int64_t cols, float* y, int64_t y_stride) {
  F32 sums[R][N];
  TC_UNROLL
  for (int r = 0; r < R; ++r) {
    TC_UNROLL
    for (int t = 0; t < N; ++t) sums[r][t] = Zero();
  }
  int64_t k = 0;
  for (int64_t line = 0; k + kLineElements<T> <= cols; k += kLineElements<T>, ++line) {
    ahead.Fetch(line);
    TC_UNROLL
    for (int64_t i = 0; i < kLineElements<T>; i += kLanes) {
      PlainStep<T>(tile, x, x_stride, k + i, sums);
    }
  }
  for (; k + kLanes <= cols; k += kLanes) PlainStep<T>(tile, x, x_stride, k, sums);
  if (k < cols) PlainLastStep<T>(tile, x, x_stride, k, cols - k, sums);
  TC_UNROLL
  for (int t = 0; t < N; ++t) StoreSums(sums, t, tile, y + t * y_stride);
}

// Plain rows side by side for one token. Widening takes several instructions a line, so few lines are
// in flight at a time; eight rows that ask for memory far ahead, front to back, read a fifth
// more a second than four.
constexpr int kStreamedRows = 8;

template <DType T, bool kList>
TC_INLINE void MatvecPlain(const RowMatrix& w, const RowSet& rows, const float* x, float* y) {
  for (int64_t i = 0; i < rows.count; i += kStreamedRows) {
    PlainTile<T, kStreamedRows, 1>(TileAt<kStreamedRows>(w, rows, i),
                                   Ahead<kStreamedRows, kList>(w, rows, i), x, 0, w.cols, y, 0);
  }
}

template <DType T>
void MatmulPlain(const RowMatrix& w, RowSet rows, const Activations& x, float* y,
                 int64_t y_stride) {
  if (x.n_tokens == 1) {
    return OneStretch(w, rows) ? MatvecPlain<T, false>(w, rows, x.x, y)
                               : MatvecPlain<T, true>(w, rows, x.x, y);
  }
  const int64_t at_once = TokensAtOnce(w.cols * 4);
  for (int64_t begin = 0; begin < x.n_tokens; begin += at_once) {
    const int64_t end = MinOf(x.n_tokens, begin + at_once);
    for (int64_t i = 0; i < rows.count; i += kPlainRows) {
      const auto tile = TileAt<kPlainRows>(w, rows, i);
      FetchRowsAfter<kPlainRows>(w, rows, i);
      int64_t t = begin;
      const auto run = [&]<int N>() __attribute__((always_inline)) {
        PlainTile<T, kPlainRows, N>(tile, NothingAhead(), x.x + t * x.x_stride, x.x_stride,
                                    w.cols, y + t * y_stride, y_stride);
        t += N;
      };
      while (t + kPlainTokens <= end) run.template operator()<kPlainTokens>();
      while (end - t >= 3) run.template operator()<3>();
      if (end - t == 2) run.template operator()<2>();
      if (end - t == 1) run.template operator()<1>();
    }
  }
}

}  // namespace
}  // namespace thermocline
