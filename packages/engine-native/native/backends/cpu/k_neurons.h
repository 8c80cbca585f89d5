// Adding up rows of a down matrix of K-quants, as neurons_quant.h does with shared scales: integers
// within a set, then one or two fused multiply-adds per column. What differs: quants have higher bits
// beside their nibbles, scales are bytes times F16, and minima meet the sum of all factors. Included
// after an instruction set's words.h.
#pragma once

#include "backends/cpu/neurons_quant.h"

namespace thermocline {
namespace {

constexpr int64_t kGroupRows = 32, kSuperGroups = 8;

// Nibbles as NibbleWords has them, without an offset. kTop: bits above them.
template <int kBits>
struct KWords : NibbleWords {
  static constexpr int kTop = kBits;
  static constexpr bool kMinima = kBits < 2;
  static constexpr int64_t kSetRows = kMinima ? kGroupRows : kGroupRows / 2;
  static constexpr int64_t kTopBytes = kLanes * kBits;  // of a vector of columns

  // Of d * scale * (q - 32).
  static TC_INLINE I32 Start(int s, int32_t factors) {
    return SetInt(kMinima ? 0 : factors * (s % 2 == 0 ? -32 : -512));
  }
  // The bits above the nibble of sum s, moved to where that nibble is.
  template <int s>
  static TC_INLINE Words Top(Words top) {
    constexpr int kFrom = kBits * s, kTo = s % 2 == 0 ? 4 : 8;
    return AndWords(ShiftWords<kTo - kFrom>(top), ((1 << kBits) - 1) << kTo);
  }
  template <int s>
  static TC_INLINE Words Quants(Words nibbles, Words top) {
    const Words low = AndWords(nibbles, s % 2 == 0 ? 0x0F : 0xF0);
    if constexpr (kBits == 0) return low;
    return OrWords(low, Top<s>(top));
  }
  static TC_INLINE void Unpack(Words low, Words high, Words top, Words (&q)[kSums]) {
    const Words low_next = HighBytes(low), high_next = HighBytes(high);
    q[0] = Quants<0>(low, top);
    q[1] = Quants<1>(low, top);
    q[2] = Quants<2>(low_next, top);
    q[3] = Quants<3>(low_next, top);
    q[4] = Quants<4>(high, top);
    q[5] = Quants<5>(high, top);
    q[6] = Quants<6>(high_next, top);
    q[7] = Quants<7>(high_next, top);
  }
  static TC_INLINE Words ZipTop(const std::byte* a, const std::byte* b) {
    if constexpr (kBits == 0) return Words{};
    if constexpr (kBits == 1) return ZipBytes(a, b);
    return ZipWords(a, b);
  }
};

using Q4KWords = KWords<0>;
using Q5KWords = KWords<1>;
using Q6KWords = KWords<2>;

// What a set's columns are multiplied by; pointers to those of its first column.
struct KScales {
  const std::byte *scale, *min;  // bytes
  const std::byte *d, *dmin;     // F16
};

template <typename Q>
TC_INLINE const std::byte* GroupAt(const NeuronMatrix& w, int64_t group) {
  return w.data + group / kSuperGroups * w.super_bytes + group % kSuperGroups * w.group_bytes;
}

template <typename Q>
TC_INLINE KScales ScalesOf(const NeuronMatrix& w, int64_t set, int64_t column) {
  const int64_t group = set * Q::kSetRows / kGroupRows;
  const std::byte* const first = GroupAt<Q>(w, group) + kGroupRows * w.row_bytes + column;
  const std::byte* const d =
      w.data + group / kSuperGroups * w.super_bytes + kSuperGroups * w.group_bytes + 2 * column;
  if (Q::kMinima) return {first, first + w.cols, d, d + 2 * w.cols};
  const std::byte* const own = set % 2 == 0 ? first : first + w.cols;
  return {own, own, d, d};
}

template <typename Q>
TC_INLINE bool KSetsAscend(const NeuronList& list) {
  for (int64_t i = 1; i < list.count; ++i) {
    if (list.rows[i] / Q::kSetRows < list.rows[i - 1] / Q::kSetRows) return false;
  }
  return true;
}

// As TakeRun of neuron_factors.h.
template <typename Q>
TC_INLINE void TakeKRun(const NeuronMatrix& w, const NeuronList& list, const float* h,
                        int64_t* next, NeuronRun<false>* run) {
  int64_t n = 0;
  run->set = -1;
  for (; *next < list.count && n < Q::kSetRows; ++*next) {
    const int64_t row = list.rows[*next];
    const uint32_t position = list.positions[*next];
    if (h != nullptr && h[position] == 0) continue;
    if (n == 0) run->set = row / Q::kSetRows;
    if (row / Q::kSetRows != run->set) break;
    run->rows[n] = GroupAt<Q>(w, row / kGroupRows) + row % kGroupRows * w.row_bytes;
    run->positions[n++] = position;
  }
  run->count = n;
  if (n % 2 != 0) run->rows[n] = run->rows[n - 1];  // stands in, with a factor of zero
}

// One vector of bytes of every row of a run, for N tokens.
struct KTile {
  const NeuronRun<false>& run;
  const RunFactors<false>* factors;  // [N]
  int64_t nibbles, top;              // where they are in a row
  KScales scales;
  float* y;                          // its first column
  int64_t y_stride;

  TC_INLINE void Step(int64_t nibble_bytes, int64_t top_bytes, int64_t columns) {
    nibbles += nibble_bytes;
    top += top_bytes;
    y += columns;
    scales.scale += columns;
    scales.min += columns;
    scales.d += 2 * columns;
    scales.dmin += 2 * columns;
  }
};

template <typename Q, bool kUnit, int N>
TC_INLINE void StoreKTile(const KTile& tile, const I32 (&sums)[N][Q::kSums]) {
  TC_UNROLL
  for (int s = 0; s < Q::kSums; ++s) {
    const int64_t c = ColumnOf<Q, kUnit>(s);
    const F32 d = LoadColumnScales<kUnit>(tile.scales.d + 2 * c);
    const std::byte* const bytes = tile.scales.scale + c;
    const F32 scale = Mul(d, Q::kMinima ? LoadUnsigned(bytes) : LoadSigned(bytes));
    F32 min = Zero();
    if constexpr (Q::kMinima) {
      min = Mul(LoadColumnScales<kUnit>(tile.scales.dmin + 2 * c),
                LoadUnsigned(tile.scales.min + c));
    }
    TC_UNROLL
    for (int t = 0; t < N; ++t) {
      const float step = tile.factors[t].steps[0];
      float* const y = tile.y + t * tile.y_stride + c;
      F32 sum = Fma(ToFloat(sums[t][s]), Mul(scale, Set(step * Q::Part(s))),
                    LoadColumns<kUnit>(y));
      if constexpr (Q::kMinima) {
        sum = FmaMinus(min, Set(static_cast<float>(tile.factors[t].sums[0]) * step), sum);
      }
      StoreColumns<kUnit>(y, sum);
    }
  }
}

template <typename Q, bool kUnit, int N>
TC_INLINE void AddKTile(const KTile& tile) {
  I32 sums[N][Q::kSums];
  TC_UNROLL
  for (int t = 0; t < N; ++t) {
    TC_UNROLL
    for (int s = 0; s < Q::kSums; ++s) sums[t][s] = Q::Start(s, tile.factors[t].sums[0]);
  }
  const int64_t pairs = tile.run.pairs();
  for (int64_t i = 0; i < pairs; ++i) {
    const std::byte* const first = tile.run.rows[2 * i];
    const std::byte* const second = tile.run.rows[2 * i + 1];
    const Words a = kUnit ? LoadUnit(first + tile.nibbles) : LoadWords(first + tile.nibbles);
    const Words b = kUnit ? LoadUnit(second + tile.nibbles) : LoadWords(second + tile.nibbles);
    Words q[Q::kSums];
    Q::Unpack(ZipFirst(a, b), ZipLast(a, b), Q::ZipTop(first + tile.top, second + tile.top), q);
    TC_UNROLL
    for (int t = 0; t < N; ++t) {
      const I32 pair = SetInt(tile.factors[t].pairs[i]);
      TC_UNROLL
      for (int s = 0; s < Q::kSums; ++s) sums[t][s] = DotWords(sums[t][s], q[s], pair);
    }
  }
  StoreKTile<Q, kUnit, N>(tile, sums);
}

// Columns [begin, end); y is column `begin` of the first of N tokens.
template <typename Q, int N>
TC_INLINE void AddKColumns(const NeuronMatrix& w, const NeuronRun<false>& run,
                           const RunFactors<false>* factors, int64_t begin, int64_t end, float* y,
                           int64_t y_stride) {
  KTile tile{run, factors, begin / 2, w.cols / 2 + begin * Q::kTop / 8,
             ScalesOf<Q>(w, run.set, begin), y, y_stride};
  int64_t c = begin;
  for (; c + Q::kChunkColumns <= end; c += Q::kChunkColumns) {
    constexpr int64_t kVectors = kChunkBytes / kUnitBytes / kUnits;
    TC_UNROLL
    for (int64_t v = 0; v < kVectors; ++v) {
      AddKTile<Q, false, N>(tile);
      tile.Step(kUnits * kUnitBytes, Q::kTopBytes, kLanes);
    }
    tile.Step(0, 0, Q::kChunkColumns - kVectors * kLanes);
  }
  for (; c < end; c += Q::kUnitColumns) {
    AddKTile<Q, true, N>(tile);
    tile.Step(kUnitBytes, Q::kUnitColumns * Q::kTop / 8, Q::kUnitColumns);
  }
}

// As FetchRun of neurons_quant.h.
template <typename Q>
TC_INLINE void FetchKRun(const NeuronMatrix& w, const NeuronRun<false>& run, int64_t begin,
                         int64_t end, int64_t step, int64_t steps) {
  if (run.count == 0) return;
  const int64_t last = run.count * (step + 1) / steps;
  for (int64_t i = run.count * step / steps; i < last; ++i) {
    FetchStretch(run.rows[i] + begin / 2, (end - begin) / 2);
    if constexpr (Q::kTop > 0) {
      FetchStretch(run.rows[i] + w.cols / 2 + begin * Q::kTop / 8, (end - begin) * Q::kTop / 8);
    }
  }
  const int64_t first = begin + kPanelColumns * step;
  const int64_t columns = MinOf(kPanelColumns, end - first);
  const KScales scales = ScalesOf<Q>(w, run.set, first);
  FetchStretch(scales.scale, columns);
  FetchStretch(scales.d, 2 * columns);
  if constexpr (Q::kMinima) {
    FetchStretch(scales.min, columns);
    FetchStretch(scales.dmin, 2 * columns);
  }
}

// y holds the columns [col_begin, col_end).
template <typename Q>
void AccumulateK(const NeuronMatrix& w, const NeuronList& list, const float* h, int64_t col_begin,
                 int64_t col_end, float* y) {
  NeuronRun<false> runs[2];
  RunFactors<false> factors;
  int64_t next = 0;
  const float* const skip = KSetsAscend<Q>(list) ? nullptr : h;
  const int64_t steps = (col_end - col_begin + kPanelColumns - 1) / kPanelColumns;
  TakeKRun<Q>(w, list, skip, &next, &runs[0]);
  for (int at = 0; runs[at].count > 0; at = 1 - at) {
    TakeKRun<Q>(w, list, skip, &next, &runs[1 - at]);
    MakeFactors(runs[at], h, &factors);
    for (int64_t step = 0; step < steps; ++step) {
      const int64_t c = col_begin + step * kPanelColumns;
      FetchKRun<Q>(w, runs[1 - at], col_begin, col_end, step, steps);
      AddKColumns<Q, 1>(w, runs[at], &factors, c, MinOf(c + kPanelColumns, col_end),
                        y + (c - col_begin), 0);
    }
  }
}

// Any order of rows, one token at a time.
template <typename Q>
TC_INLINE void SumKByToken(const SumTile& tile, int64_t n_tokens, int64_t c, int64_t end) {
  float sums[kPanelColumns];
  for (int64_t t = 0; t < n_tokens; ++t) {
    for (int64_t i = 0; i < end - c; i += kLanes) Store(sums + i, Zero());
    AccumulateK<Q>(tile.w, tile.list, tile.h + t * tile.h_stride, c, end, sums);
    float* const y = tile.y + t * tile.y_stride + c;
    for (int64_t i = 0; i < end - c; i += kLanes) Store(y + i, Add(Load(y + i), Load(sums + i)));
  }
}

// At most kTokensAtOnce tokens and kPanelColumns columns, [c, end), sets ascending.
template <typename Q>
TC_INLINE void SumKPanel(const SumTile& tile, int64_t n_tokens, int64_t c, int64_t end) {
  constexpr int kTile = kQuantSumTokens;
  float sums[kTokensAtOnce * kPanelColumns];
  const int64_t n = end - c;
  for (int64_t i = 0; i < n_tokens * n; i += kLanes) Store(sums + i, Zero());
  NeuronRun<false> runs[2];
  RunFactors<false> factors[kTile];
  int64_t next = 0;
  TakeKRun<Q>(tile.w, tile.list, nullptr, &next, &runs[0]);
  for (int at = 0; runs[at].count > 0; at = 1 - at) {
    TakeKRun<Q>(tile.w, tile.list, nullptr, &next, &runs[1 - at]);
    FetchKRun<Q>(tile.w, runs[1 - at], c, end, 0, 1);
    int64_t t = 0;
    for (; t + kTile <= n_tokens; t += kTile) {
      for (int i = 0; i < kTile; ++i) {
        MakeFactors(runs[at], tile.h + (t + i) * tile.h_stride, factors + i);
      }
      AddKColumns<Q, kTile>(tile.w, runs[at], factors, c, end, sums + t * n, n);
    }
    for (; t < n_tokens; ++t) {
      MakeFactors(runs[at], tile.h + t * tile.h_stride, factors);
      AddKColumns<Q, 1>(tile.w, runs[at], factors, c, end, sums + t * n, n);
    }
  }
  for (int64_t t = 0; t < n_tokens; ++t) {
    float* const y = tile.y + t * tile.y_stride + c;
    for (int64_t i = 0; i < n; i += kLanes) Store(y + i, Add(Load(y + i), Load(sums + t * n + i)));
  }
}

template <typename Q>
void SumKTokens(SumTile tile, int64_t n_tokens, int64_t col_begin, int64_t col_end) {
  const bool ascending = KSetsAscend<Q>(tile.list);
  for (int64_t t = 0; t < n_tokens; t += kTokensAtOnce) {
    const int64_t n = MinOf(kTokensAtOnce, n_tokens - t);
    for (int64_t c = col_begin; c < col_end; c += kPanelColumns) {
      const int64_t end = MinOf(c + kPanelColumns, col_end);
      // Tokens can share the list's runs only where silent neurons do not part them.
      if (ascending) {
        SumKPanel<Q>(tile, n, c, end);
      } else {
        SumKByToken<Q>(tile, n, c, end);
      }
    }
    tile.h += kTokensAtOnce * tile.h_stride;
    tile.y += kTokensAtOnce * tile.y_stride;
  }
}

// --- every K-quant ----------------------------------------------------------------------------

TC_INLINE void AccumulateKQuant(const NeuronMatrix& w, const NeuronList& list, const float* h,
                                float* y) {
  switch (w.type) {
    case DType::kQ4_K: return AccumulateK<Q4KWords>(w, list, h, 0, w.cols, y);
    case DType::kQ5_K: return AccumulateK<Q5KWords>(w, list, h, 0, w.cols, y);
    default: return AccumulateK<Q6KWords>(w, list, h, 0, w.cols, y);
  }
}

TC_INLINE void AddKQuantNeurons(const SumTile& tile, int64_t n_tokens, int64_t col_begin,
                                int64_t col_end) {
  switch (tile.w.type) {
    case DType::kQ4_K: return SumKTokens<Q4KWords>(tile, n_tokens, col_begin, col_end);
    case DType::kQ5_K: return SumKTokens<Q5KWords>(tile, n_tokens, col_begin, col_end);
    default: return SumKTokens<Q6KWords>(tile, n_tokens, col_begin, col_end);
  }
}

}  // namespace
}  // namespace thermocline
