// Walking a RowSet in tiles of R rows.
#pragma once

#include "backends/cpu/simd.h"

namespace thermocline {
namespace {

TC_INLINE int64_t RowAt(const RowSet& rows, int64_t i) {
  return rows.list != nullptr ? static_cast<int64_t>(rows.list[i]) : rows.begin + i;
}

// R rows from the i-th on. When fewer are left the last one stands in for the missing: it is
// computed again and not stored, so that a short tile needs no code of its own.
template <int R>
struct RowTile {
  const std::byte* data[R];
  const std::byte* ahead[R];  // the next tile's rows, to be prefetched
  int64_t index[R];
  int count;
};

template <int R>
TC_INLINE RowTile<R> TileAt(const RowMatrix& w, const RowSet& rows, int64_t i) {
  RowTile<R> tile;
  tile.count = static_cast<int>(MinOf(R, rows.count - i));
  TC_UNROLL
  for (int j = 0; j < R; ++j) {
    tile.index[j] = RowAt(rows, MinOf(i + j, rows.count - 1));
    tile.data[j] = w.data + tile.index[j] * w.row_bytes;
    tile.ahead[j] = w.data + RowAt(rows, MinOf(i + R + j, rows.count - 1)) * w.row_bytes;
  }
  return tile;
}

// Tokens whose inputs stay in the second cache while all rows pass by them.
TC_INLINE int64_t TokensAtOnce(int64_t bytes_per_token) {
  constexpr int64_t kCacheBytes = 512 << 10;
  const int64_t n = kCacheBytes / (bytes_per_token > 0 ? bytes_per_token : 1) / 4 * 4;
  return n < 16 ? 16 : n;
}

}  // namespace
}  // namespace thermocline
