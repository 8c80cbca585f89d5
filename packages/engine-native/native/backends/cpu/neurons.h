// Adding up plain rows of the down matrix for one token. Every column is one chain of fused
// multiply-adds over the list in order: how many neurons pass in one sweep changes nothing.
// Included after an instruction set's vector.h.
#pragma once

#include "backends/cpu/matmul_plain.h"

namespace thermocline {
namespace {

// The next entries of a list, at most `limit` of them. Zeros are not passed over: what dense
// computing costs should show.
struct NeuronCursor {
  const NeuronList& list;
  const float* h;
  int64_t next = 0;

  TC_INLINE int Take(int limit, uint32_t* rows, float* factors) {
    int n = 0;
    for (; n < limit && next < list.count; ++next, ++n) {
      rows[n] = list.rows[next];
      factors[n] = h[list.positions[next]];
    }
    return n;
  }
};

// y[c] += Σ over N neurons, for all columns; `ahead` is what comes after them.
template <DType T, int N>
TC_INLINE void SweepPlain(const NeuronMatrix& w, const uint32_t* rows, const float* factors,
                          const uint32_t* ahead, int n_ahead, float* y) {
  const std::byte* data[N];
  const std::byte* soon[N];
  F32 h[N];
  TC_UNROLL
  for (int i = 0; i < N; ++i) {
    data[i] = w.data + rows[i] * w.stride;
    soon[i] = w.data + (i < n_ahead ? ahead[i] : rows[i]) * w.stride;
    h[i] = Set(factors[i]);
  }
  int64_t c = 0;
  for (; c + kLanes <= w.cols; c += kLanes) {
    if (n_ahead > 0 && c * kElementBytes<T> % 64 == 0) {
      TC_UNROLL
      for (int i = 0; i < N; ++i) Prefetch(soon[i] + c * kElementBytes<T>);
    }
    F32 sum = Load(y + c);
    TC_UNROLL
    for (int i = 0; i < N; ++i) sum = Fma(h[i], LoadElements<T>(data[i], c), sum);
    Store(y + c, sum);
  }
  if (c < w.cols) {
    const int64_t n = w.cols - c;
    F32 sum = LoadPart(y + c, n);
    TC_UNROLL
    for (int i = 0; i < N; ++i) sum = Fma(h[i], LoadElementsPart<T>(data[i], c, n), sum);
    StorePart(y + c, sum, n);
  }
}

template <DType T>
void AccumulatePlain(const NeuronMatrix& w, const NeuronList& list, const float* h, float* y) {
  constexpr int kSweep = 8;
  NeuronCursor cursor{list, h};
  uint32_t rows[2 * kSweep];
  float factors[2 * kSweep];
  int n = cursor.Take(kSweep, rows, factors);
  while (n == kSweep) {
    const int ahead = cursor.Take(kSweep, rows + kSweep, factors + kSweep);
    SweepPlain<T, kSweep>(w, rows, factors, rows + kSweep, ahead, y);
    for (int i = 0; i < ahead; ++i) {
      rows[i] = rows[kSweep + i];
      factors[i] = factors[kSweep + i];
    }
    n = ahead;
  }
  int at = 0;
  if ((n & 4) != 0) {
    SweepPlain<T, 4>(w, rows, factors, nullptr, 0, y);
    at += 4;
  }
  if ((n & 2) != 0) {
    SweepPlain<T, 2>(w, rows + at, factors + at, nullptr, 0, y);
    at += 2;
  }
  if ((n & 1) != 0) SweepPlain<T, 1>(w, rows + at, factors + at, nullptr, 0, y);
}

}  // namespace
}  // namespace thermocline
