// Products of quantised rows of the down matrix with their factors, in integers: two rows at a time,
// word by word, so that a 32-bit lane adds up one column. Included after an instruction set's words.h.
#pragma once

#include "backends/cpu/neurons.h"

namespace thermocline {
namespace {

constexpr int64_t kChunkBytes = 64;
constexpr int64_t kUnitBytes = 16;
constexpr int64_t kPanelBlocks = 16;  // blocks of 32 columns whose factors are made together

// Rows with scales of their own have factors by block, others one for all columns.
template <bool kOwn>
constexpr int64_t kSetRows = kOwn ? kOwnScaleSet : kSharedScaleSet;
template <bool kOwn>
constexpr int64_t kSetBlocks = kOwn ? kPanelBlocks : 1;

// The rows of a set that a list names, two by two.
template <bool kOwn>
struct NeuronRun {
  static constexpr int64_t kPairs = kSetRows<kOwn> / 2;
  int64_t set = -1;
  int64_t count = 0;
  const std::byte* rows[2 * kPairs];
  uint32_t positions[2 * kPairs];

  TC_INLINE int64_t pairs() const { return (count + 1) / 2; }
};

// What one token multiplies the rows of a run by, as kernels.h says.
template <bool kOwn>
struct RunFactors {
  int32_t pairs[NeuronRun<kOwn>::kPairs * kSetBlocks<kOwn>];  // [pairs][blocks] of two 16-bit factors
  int32_t sums[kPanelBlocks];                                 // [blocks] of all factors
  float steps[kPanelBlocks];                                  // [blocks]
};

// Quants of one type in the words of two rows: `low` and `high` are the lanes of the first and the
// last four words of each unit.
struct NibbleWords {
  static constexpr DType kType = DType::kQ4_0;
  static constexpr int kSums = 8;  // vectors of columns in a vector of bytes
  static constexpr int64_t kChunkColumns = 128, kUnitColumns = 32;

  // Sums of nibbles in the upper half of a byte are sixteen times too large.
  static TC_INLINE float Part(int s) { return s % 2 == 0 ? 1.0F : 0.0625F; }
  // Quants are offset by 8.
  static TC_INLINE I32 Start(int s, int32_t factors) {
    return SetInt(factors * (s % 2 == 0 ? -8 : -128));
  }
  static TC_INLINE int64_t UnitColumn(int s) { return s / 4 * 8 + s % 4 / 2 * 4 + s % 2 * 16; }

  template <typename PairOf>
  static TC_INLINE void Add(Words low, Words high, const PairOf& pair, I32 (&sums)[kSums]) {
    const Words low_next = HighBytes(low), high_next = HighBytes(high);
    sums[0] = DotWords(sums[0], AndWords(low, 0x0F), pair(0));
    sums[1] = DotWords(sums[1], AndWords(low, 0xF0), pair(1));
    sums[2] = DotWords(sums[2], AndWords(low_next, 0x0F), pair(2));
    sums[3] = DotWords(sums[3], AndWords(low_next, 0xF0), pair(3));
    sums[4] = DotWords(sums[4], AndWords(high, 0x0F), pair(4));
    sums[5] = DotWords(sums[5], AndWords(high, 0xF0), pair(5));
    sums[6] = DotWords(sums[6], AndWords(high_next, 0x0F), pair(6));
    sums[7] = DotWords(sums[7], AndWords(high_next, 0xF0), pair(7));
  }
};

struct ByteWords {
  static constexpr DType kType = DType::kQ8_0;
  static constexpr int kSums = 4;
  static constexpr int64_t kChunkColumns = 64, kUnitColumns = 16;

  static TC_INLINE float Part(int) { return 1.0F; }
  static TC_INLINE I32 Start(int, int32_t) { return SetInt(0); }
  static TC_INLINE int64_t UnitColumn(int s) { return s * 4; }

  template <typename PairOf>
  static TC_INLINE void Add(Words low, Words high, const PairOf& pair, I32 (&sums)[kSums]) {
    sums[0] = DotWords(sums[0], SignedLowBytes(low), pair(0));
    sums[1] = DotWords(sums[1], SignedHighBytes(low), pair(1));
    sums[2] = DotWords(sums[2], SignedLowBytes(high), pair(2));
    sums[3] = DotWords(sums[3], SignedHighBytes(high), pair(3));
  }
};

// Where vectors of columns lie: in a chunk side by side, in a unit by fours.
template <typename Q, bool kUnit>
TC_INLINE int64_t ColumnOf(int s) {
  return kUnit ? Q::UnitColumn(s) : 16 * s;
}
template <bool kUnit>
TC_INLINE F32 LoadColumns(const float* p) {
  if constexpr (kUnit && kLanes != 4) return LoadPart(p, 4);
  return Load(p);
}
template <bool kUnit>
TC_INLINE void StoreColumns(float* p, F32 v) {
  if constexpr (kUnit && kLanes != 4) return StorePart(p, v, 4);
  Store(p, v);
}
template <bool kUnit>
TC_INLINE F32 LoadColumnScales(const std::byte* p) {
  if constexpr (kUnit && kLanes != 4) return LoadF16Part(p, 4);
  return LoadF16(p);
}

// One vector of bytes of every row of a run, for N tokens.
template <bool kOwn>
struct ColumnTile {
  const NeuronRun<kOwn>& run;
  const RunFactors<kOwn>* factors;  // [N]
  int64_t offset;                   // of its bytes in a row
  int64_t block;                    // of its first column in the panel; 0 with shared scales
  const std::byte* scales;          // shared ones of its first column
  float* y;                         // its first column
  int64_t y_stride;
};

// y[c] += step * scale[c] * Σ F q[c].
template <typename Q, bool kOwn, bool kUnit, int N>
TC_INLINE void AddTile(const ColumnTile<kOwn>& tile) {
  const auto block = [&](int s) { return kOwn && !kUnit ? tile.block + s / 2 : tile.block; };
  I32 sums[N][Q::kSums];
  TC_UNROLL
  for (int t = 0; t < N; ++t) {
    TC_UNROLL
    for (int s = 0; s < Q::kSums; ++s) {
      sums[t][s] = Q::Start(s, tile.factors[t].sums[block(s)]);
    }
  }
  const int64_t pairs = tile.run.pairs();
  for (int64_t i = 0; i < pairs; ++i) {
    const std::byte* const first = tile.run.rows[2 * i] + tile.offset;
    const std::byte* const second = tile.run.rows[2 * i + 1] + tile.offset;
    const Words a = kUnit ? LoadUnit(first) : LoadWords(first);
    const Words b = kUnit ? LoadUnit(second) : LoadWords(second);
    const Words low = ZipFirst(a, b), high = ZipLast(a, b);
    TC_UNROLL
    for (int t = 0; t < N; ++t) {
      const int32_t* const row = tile.factors[t].pairs + i * kSetBlocks<kOwn>;
      Q::Add(low, high, [&](int s) __attribute__((always_inline)) {
        return SetInt(row[block(s)]);
      }, sums[t]);
    }
  }
  TC_UNROLL
  for (int s = 0; s < Q::kSums; ++s) {
    const int64_t c = ColumnOf<Q, kUnit>(s);
    F32 scale = Zero();
    if constexpr (!kOwn) scale = LoadColumnScales<kUnit>(tile.scales + 2 * c);
    TC_UNROLL
    for (int t = 0; t < N; ++t) {
      const F32 step = Set(tile.factors[t].steps[block(s)] * Q::Part(s));
      float* const y = tile.y + t * tile.y_stride + c;
      const F32 factor = kOwn ? step : Mul(scale, step);
      StoreColumns<kUnit>(y, Fma(ToFloat(sums[t][s]), factor, LoadColumns<kUnit>(y)));
    }
  }
}

// Columns [begin, end) of the matrix, of the panel of factors that begins at column `panel`; tile as
// of column `begin`.
template <typename Q, bool kOwn, int N>
TC_INLINE void AddColumns(ColumnTile<kOwn> tile, int64_t panel, int64_t begin, int64_t end) {
  const auto step = [&](int64_t bytes, int64_t columns) {
    tile.offset += bytes;
    tile.y += columns;
    if constexpr (!kOwn) tile.scales += 2 * columns;
  };
  int64_t c = begin;
  for (; c + Q::kChunkColumns <= end; c += Q::kChunkColumns) {
    constexpr int64_t kVectors = kChunkBytes / kUnitBytes / kUnits;
    tile.block = kOwn ? (c - panel) / kBlock : 0;
    ColumnTile<kOwn> part = tile;
    TC_UNROLL
    for (int64_t v = 0; v < kVectors; ++v) {
      AddTile<Q, kOwn, false, N>(part);
      part.offset += kUnits * kUnitBytes;
      part.y += kLanes;
      if constexpr (!kOwn) part.scales += 2 * kLanes;
    }
    step(kChunkBytes, Q::kChunkColumns);
  }
  for (; c < end; c += Q::kUnitColumns) {
    tile.block = kOwn ? (c - panel) / kBlock : 0;
    AddTile<Q, kOwn, true, N>(tile);
    step(kUnitBytes, Q::kUnitColumns);
  }
}

}  // namespace
}  // namespace thermocline
