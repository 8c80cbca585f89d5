// Adding up rows of the down matrix. Every column is one chain of fused multiply-adds over
// the list in order: how many neurons pass in one sweep, or tokens in one tile, changes
// nothing. Included after an instruction set's vector.h.
#pragma once

#include "backends/cpu/matmul_plain.h"

namespace thermocline {
namespace {

// --- one token, plain types -----------------------------------------------------------------

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
    data[i] = w.data + rows[i] * w.row_bytes;
    soon[i] = w.data + (i < n_ahead ? ahead[i] : rows[i]) * w.row_bytes;
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

// --- one token, quantised types -------------------------------------------------------------

template <DType T>
constexpr int64_t kQuantBlockBytes = T == DType::kQ8_0 ? 32 : 16;

template <DType T>
TC_INLINE void LoadQuants(const std::byte* row, int64_t c, F32 (&v)[kBlockVectors]) {
  if constexpr (T == DType::kQ8_0) {
    LoadQ8(row + c, v);
  } else {
    LoadQ4(row + c / 2, v);
  }
}

// Consecutive neurons of one group.
struct NeuronRun {
  int64_t group = -1;
  int count = 0;
  const std::byte* data[kBlock];
  float h[kBlock];
};

// Whether no group is met again after another: then leaving out silent neurons cannot join
// two runs of one group.
TC_INLINE bool GroupsAscend(const NeuronList& list) {
  for (int64_t i = 1; i < list.count; ++i) {
    if (list.rows[i] / kBlock < list.rows[i - 1] / kBlock) return false;
  }
  return true;
}

// Takes the next run off the list. Entries with h == 0 are passed over where they would part a
// group's run in two.
TC_INLINE void TakeRun(const NeuronMatrix& w, const NeuronList& list, bool ascending,
                       const float* h, int64_t* next, NeuronRun* run) {
  run->count = 0;
  run->group = -1;
  for (; *next < list.count; ++*next) {
    const float factor = h[list.positions[*next]];
    if (factor == 0 && !ascending) continue;
    const int64_t row = list.rows[*next];
    if (run->count == 0) run->group = row / kBlock;
    if (row / kBlock != run->group || run->count == kBlock) return;
    run->data[run->count] = w.data + run->group * w.group_bytes + row % kBlock * w.row_bytes;
    run->h[run->count++] = factor;
  }
}

// y[c - y_begin] += scale[c] * Σ h q[c] for the columns [c, c + 32 * B) of one run.
template <DType T, int B>
TC_INLINE void AddRun(const NeuronMatrix& w, const NeuronRun& run, const NeuronRun& ahead,
                      int64_t c, float* y) {
  F32 sums[B][kBlockVectors];
  TC_UNROLL
  for (int b = 0; b < B; ++b) {
    TC_UNROLL
    for (int v = 0; v < kBlockVectors; ++v) sums[b][v] = Zero();
  }
  for (int i = 0; i < ahead.count; ++i) {
    TC_UNROLL
    for (int64_t b = 0; b < B * kQuantBlockBytes<T>; b += 64) {
      Prefetch(ahead.data[i] + c / kBlock * kQuantBlockBytes<T> + b);
    }
  }
  if (ahead.count > 0) {
    const std::byte* const scales =
        w.data + ahead.group * w.group_bytes + kBlock * w.row_bytes + 2 * c;
    TC_UNROLL
    for (int64_t b = 0; b < B * kBlock * 2; b += 64) Prefetch(scales + b);
  }
  for (int i = 0; i < run.count; ++i) {
    const F32 h = Set(run.h[i]);
    TC_UNROLL
    for (int b = 0; b < B; ++b) {
      F32 quants[kBlockVectors];
      LoadQuants<T>(run.data[i], c + b * kBlock, quants);
      TC_UNROLL
      for (int v = 0; v < kBlockVectors; ++v) sums[b][v] = Fma(h, quants[v], sums[b][v]);
    }
  }
  const std::byte* const scales = w.data + run.group * w.group_bytes + kBlock * w.row_bytes + 2 * c;
  TC_UNROLL
  for (int b = 0; b < B; ++b) {
    TC_UNROLL
    for (int v = 0; v < kBlockVectors; ++v) {
      const int64_t at = b * kBlock + v * kLanes;
      Store(y + at, Fma(LoadF16(scales + 2 * at), sums[b][v], Load(y + at)));
    }
  }
}

// y holds the columns [col_begin, col_end), multiples of 32.
template <DType T>
TC_INLINE void AccumulateQuant(const NeuronMatrix& w, const NeuronList& list, const float* h,
                               int64_t col_begin, int64_t col_end, float* y) {
  NeuronRun runs[2];
  NeuronRun* run = &runs[0];
  NeuronRun* ahead = &runs[1];
  int64_t next = 0;
  const bool ascending = GroupsAscend(list);
  TakeRun(w, list, ascending, h, &next, run);
  while (run->count > 0) {
    TakeRun(w, list, ascending, h, &next, ahead);
    int64_t c = col_begin;
    for (; c + kRunBlocks * kBlock <= col_end; c += kRunBlocks * kBlock) {
      AddRun<T, kRunBlocks>(w, *run, *ahead, c, y + (c - col_begin));
    }
    for (; c < col_end; c += kBlock) AddRun<T, 1>(w, *run, *ahead, c, y + (c - col_begin));
    NeuronRun* const done = run;
    run = ahead;
    ahead = done;
  }
}

TC_INLINE void AccumulateAnyType(const NeuronMatrix& w, const NeuronList& list, const float* h,
                                 float* y) {
  switch (w.type) {
    case DType::kF32: return AccumulatePlain<DType::kF32>(w, list, h, y);
    case DType::kF16: return AccumulatePlain<DType::kF16>(w, list, h, y);
    case DType::kBF16: return AccumulatePlain<DType::kBF16>(w, list, h, y);
    case DType::kQ8_0: return AccumulateQuant<DType::kQ8_0>(w, list, h, 0, w.cols, y);
    case DType::kQ4_0: return AccumulateQuant<DType::kQ4_0>(w, list, h, 0, w.cols, y);
    case DType::kQ4_K:
    case DType::kQ5_K:
    case DType::kQ6_K: return ReferenceKernels().accumulate_neurons(w, list, h, y);
  }
}

}  // namespace
}  // namespace thermocline
