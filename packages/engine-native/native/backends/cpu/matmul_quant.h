// Products with Q8_0 and Q4_0 rows: integer dots per block, then one chain of fused
// multiply-adds with the product of both scales. Included after an instruction set's
// quant.h, whose Q8 and Q4 take kBlocks blocks in a step.
#pragma once

#include "backends/cpu/matmul_plain.h"

namespace thermocline {
namespace {

template <typename Q, int R, int N, bool kPart>
TC_INLINE void QuantStep(const RowTile<R>& tile, const Activations& x, int64_t blocks, int64_t b,
                         F32 (&sums)[R][N]) {
  [[maybe_unused]] const int64_t left = blocks - b;
  typename Q::Inputs inputs[N];
  F32 input_scales[N];
  TC_UNROLL
  for (int t = 0; t < N; ++t) {
    const int8_t* const q = x.q + (t * blocks + b) * kBlock;
    const int32_t* const sum = x.q_sum + t * blocks + b;
    const float* const scale = x.q_scale + t * blocks + b;
    if constexpr (kPart) {
      inputs[t] = Q::LoadInputsPart(q, sum, left);
      input_scales[t] = Q::InputScalesPart(scale, left);
    } else {
      inputs[t] = Q::LoadInputs(q, sum);
      input_scales[t] = Q::InputScales(scale);
    }
  }
  TC_UNROLL
  for (int r = 0; r < R; ++r) {
    const std::byte* const quants = tile.data[r] + b * Q::kQuantBytes;
    const std::byte* const scales = tile.data[r] + blocks * Q::kQuantBytes + 2 * b;
    typename Q::Weights weights;
    F32 weight_scales;
    if constexpr (kPart) {
      weights = Q::LoadWeightsPart(quants, left);
      weight_scales = Q::WeightScalesPart(scales, left);
    } else {
      weights = Q::LoadWeights(quants);
      weight_scales = Q::WeightScales(scales);
    }
    TC_UNROLL
    for (int t = 0; t < N; ++t) {
      sums[r][t] = Fma(ToFloat(Q::Dot(weights, inputs[t])), Mul(weight_scales, input_scales[t]),
                       sums[r][t]);
    }
  }
}

// x: the activations from the tile's first token on.
template <typename Q, int R, int N, typename Fetcher>
TC_INLINE void QuantTile(const RowTile<R>& tile, const Fetcher& ahead, const Activations& x,
                         float* y, int64_t y_stride) {
  const int64_t blocks = x.cols / kBlock;
  F32 sums[R][N];
  TC_UNROLL
  for (int r = 0; r < R; ++r) {
    TC_UNROLL
    for (int t = 0; t < N; ++t) sums[r][t] = Zero();
  }
  constexpr int64_t kTurn = kLine / Q::kQuantBytes;  // blocks in a cache line of quants
  int64_t b = 0;
  int64_t line = 0;
  for (; b + kTurn <= blocks; b += kTurn, ++line) {
    ahead.Fetch(line);
    TC_UNROLL
    for (int64_t i = 0; i < kTurn; i += Q::kBlocks) {
      QuantStep<Q, R, N, false>(tile, x, blocks, b + i, sums);
    }
  }
  for (; b + Q::kBlocks <= blocks; b += Q::kBlocks) {
    QuantStep<Q, R, N, false>(tile, x, blocks, b, sums);
  }
  for (; line * kLine < blocks * (Q::kQuantBytes + 2); ++line) ahead.Fetch(line);  // scales
  if constexpr (Q::kBlocks > 1) {
    if (b < blocks) QuantStep<Q, R, N, true>(tile, x, blocks, b, sums);
  }
  TC_UNROLL
  for (int t = 0; t < N; ++t) StoreSums(sums, t, tile, y + t * y_stride);
}

template <typename Q, bool kList>
TC_INLINE void MatvecQuant(const RowMatrix& w, const RowSet& rows, const Activations& x,
                           float* y) {
  for (int64_t i = 0; i < rows.count; i += kDecodeRows) {
    QuantTile<Q, kDecodeRows, 1>(TileAt<kDecodeRows>(w, rows, i),
                                 Ahead<kDecodeRows, kList>(w, rows, i), x, y, 0);
  }
}

template <typename Q>
void MatmulQuant(const RowMatrix& w, RowSet rows, const Activations& x, float* y,
                 int64_t y_stride) {
  if (x.n_tokens == 1) {
    return rows.list != nullptr ? MatvecQuant<Q, true>(w, rows, x, y)
                                : MatvecQuant<Q, false>(w, rows, x, y);
  }
  const int64_t blocks = w.cols / kBlock;
  const int64_t at_once = TokensAtOnce(w.cols);
  for (int64_t begin = 0; begin < x.n_tokens; begin += at_once) {
    const int64_t end = MinOf(x.n_tokens, begin + at_once);
    for (int64_t i = 0; i < rows.count; i += kQuantRows) {
      const auto tile = TileAt<kQuantRows>(w, rows, i);
      FetchRowsAfter<kQuantRows>(w, rows, i);
      int64_t t = begin;
      const auto run = [&]<int N>() __attribute__((always_inline)) {
        Activations part = x;
        part.q += t * w.cols;
        part.q_scale += t * blocks;
        part.q_sum += t * blocks;
        QuantTile<Q, kQuantRows, N>(tile, NothingAhead(), part, y + t * y_stride, y_stride);
        t += N;
      };
      while (t + kQuantTokens <= end) run.template operator()<kQuantTokens>();
      while (end - t >= 3) run.template operator()<3>();
      if (end - t == 2) run.template operator()<2>();
      if (end - t == 1) run.template operator()<1>();
    }
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
  }
}

}  // namespace
}  // namespace thermocline
