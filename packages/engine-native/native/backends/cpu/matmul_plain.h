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

// Inputs of plain rows, in the form that they are multiplied in.
template <typename Input>
struct PlainInputs {
  const Input* x;
  int64_t stride;
  int64_t n_tokens;

  TC_INLINE const Input* Token(int64_t t) const { return x + t * stride; }
};

// How a vector of a row's elements meets as many inputs: widened to F32, by fused multiply-adds.
template <DType T>
struct Widened {
  using Input = float;
  using Inputs = F32;
  static constexpr int64_t kElements = kLanes;
  static constexpr int64_t kBytes = kElementBytes<T>;

  static TC_INLINE Inputs LoadInputs(const Input* x) { return Load(x); }
  static TC_INLINE Inputs LoadInputsPart(const Input* x, int64_t n) { return LoadPart(x, n); }
  static TC_INLINE F32 Weights(const std::byte* row, int64_t k) { return LoadElements<T>(row, k); }
  static TC_INLINE F32 WeightsPart(const std::byte* row, int64_t k, int64_t n) {
    return LoadElementsPart<T>(row, k, n);
  }
  static TC_INLINE F32 AddUp(F32 w, Inputs x, F32 sum) { return Fma(w, x, sum); }
};

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
template <typename P>
constexpr int64_t kLineElements = kLine / P::kBytes;

// The sums over one vector of each row, of n elements where that is less than a whole one.
template <typename P, bool kPart, int R, int N>
TC_INLINE void PlainStep(const RowTile<R>& tile, const PlainInputs<typename P::Input>& x, int64_t k,
                         int64_t n, F32 (&sums)[R][N]) {
  typename P::Inputs inputs[N];
  TC_UNROLL
  for (int t = 0; t < N; ++t) {
    inputs[t] = kPart ? P::LoadInputsPart(x.Token(t) + k, n) : P::LoadInputs(x.Token(t) + k);
  }
  TC_UNROLL
  for (int r = 0; r < R; ++r) {
    const auto weights =
        kPart ? P::WeightsPart(tile.data[r], k, n) : P::Weights(tile.data[r], k);
    TC_UNROLL
    for (int t = 0; t < N; ++t) sums[r][t] = P::AddUp(weights, inputs[t], sums[r][t]);
  }
}

template <typename P, int R, int N, typename Fetcher>
TC_INLINE void PlainTile(const RowTile<R>& tile, const Fetcher& ahead,
                         const PlainInputs<typename P::Input>& x, int64_t cols, float* y,
                         int64_t y_stride) {
  constexpr int64_t kStep = P::kElements;
  F32 sums[R][N];
  TC_UNROLL
  for (int r = 0; r < R; ++r) {
    TC_UNROLL
    for (int t = 0; t < N; ++t) sums[r][t] = Zero();
  }
  int64_t k = 0;
  for (int64_t line = 0; k + kLineElements<P> <= cols; k += kLineElements<P>, ++line) {
    ahead.Fetch(line);
    TC_UNROLL
    for (int64_t i = 0; i < kLineElements<P>; i += kStep) {
      PlainStep<P, false>(tile, x, k + i, kStep, sums);
    }
  }
  for (; k + kStep <= cols; k += kStep) PlainStep<P, false>(tile, x, k, kStep, sums);
  if (k < cols) PlainStep<P, true>(tile, x, k, cols - k, sums);
  TC_UNROLL
  for (int t = 0; t < N; ++t) StoreSums(sums, t, tile, y + t * y_stride);
}

// A range of rows for one token: four stretches of it side by side, so that four chains of sums
// hide each other's latency, and each stretch front to back, which processors fetch ahead by
// themselves. Rows that follow each other, side by side, hide from them that they do.
constexpr int kStretches = 4;

template <typename P>
TC_INLINE void MatvecStretches(const RowMatrix& w, const RowSet& rows,
                               const PlainInputs<typename P::Input>& x, float* y) {
  const int64_t each = rows.count / kStretches;
  for (int64_t i = 0; i < each; ++i) {
    RowTile<kStretches> tile;
    tile.count = kStretches;
    TC_UNROLL
    for (int s = 0; s < kStretches; ++s) {
      tile.index[s] = rows.begin + s * each + i;
      tile.data[s] = w.data + tile.index[s] * w.stride;
    }
    PlainTile<P, kStretches, 1>(tile, NothingAhead(), x, w.cols, y, 0);
  }
  for (int64_t i = kStretches * each; i < rows.count; ++i) {
    PlainTile<P, 1, 1>(TileAt<1>(w, rows, i), NothingAhead(), x, w.cols, y, 0);
  }
}

// Listed rows for one token. Widening takes several instructions a line, so few lines are in
// flight at a time; eight rows that ask for memory ahead read a fifth more a second than four.
constexpr int kListedRows = 8;

template <typename P>
TC_INLINE void MatvecList(const RowMatrix& w, const RowSet& rows,
                          const PlainInputs<typename P::Input>& x, float* y) {
  for (int64_t i = 0; i < rows.count; i += kListedRows) {
    PlainTile<P, kListedRows, 1>(TileAt<kListedRows>(w, rows, i),
                                 TileAhead<kListedRows>(w, rows, i), x, w.cols, y, 0);
  }
}

template <typename P>
void MatmulElements(const RowMatrix& w, RowSet rows, const PlainInputs<typename P::Input>& x,
                    float* y, int64_t y_stride) {
  if (x.n_tokens == 1) {
    return OneStretch(w, rows) ? MatvecStretches<P>(w, rows, x, y) : MatvecList<P>(w, rows, x, y);
  }
  const int64_t at_once =
      TokensAtOnce(w.cols * static_cast<int64_t>(sizeof(typename P::Input)));
  for (int64_t begin = 0; begin < x.n_tokens; begin += at_once) {
    const int64_t end = MinOf(x.n_tokens, begin + at_once);
    for (int64_t i = 0; i < rows.count; i += kPlainRows) {
      const auto tile = TileAt<kPlainRows>(w, rows, i);
      FetchRowsAfter<kPlainRows>(w, rows, i);
      int64_t t = begin;
      const auto run = [&]<int N>() __attribute__((always_inline)) {
        PlainTile<P, kPlainRows, N>(tile, NothingAhead(), {x.Token(t), x.stride, N}, w.cols,
                                    y + t * y_stride, y_stride);
        t += N;
      };
      while (t + kPlainTokens <= end) run.template operator()<kPlainTokens>();
      while (end - t >= 3) run.template operator()<3>();
      if (end - t == 2) run.template operator()<2>();
      if (end - t == 1) run.template operator()<1>();
    }
  }
}

template <DType T>
void MatmulPlain(const RowMatrix& w, RowSet rows, const Activations& x, float* y,
                 int64_t y_stride) {
  MatmulElements<Widened<T>>(w, rows, {x.x, x.x_stride, x.n_tokens}, y, y_stride);
}

}  // namespace
}  // namespace thermocline
