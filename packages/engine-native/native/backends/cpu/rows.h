// Walking a RowSet in tiles of R rows.
#pragma once

#include "backends/cpu/simd.h"

namespace thermocline {
namespace {

TC_INLINE int64_t RowAt(const RowSet& rows, int64_t i) {
  return rows.list != nullptr ? static_cast<int64_t>(rows.list[i]) : rows.begin + i;
}

// Whether rows are one stretch of memory, which processors see for themselves.
TC_INLINE bool OneStretch(const RowMatrix& w, const RowSet& rows) {
  return rows.list == nullptr && w.stride == w.row_bytes;
}

constexpr int64_t kLine = 64;  // bytes of a cache line

TC_INLINE void FetchStretch(const std::byte* p, int64_t bytes) {
  for (int64_t b = 0; b < bytes; b += kLine) Prefetch(p + b);
}

// R rows from the i-th on. When fewer are left the last one stands in for the missing: it is
// computed again and not stored, so that a short tile needs no code of its own.
template <int R>
struct RowTile {
  const std::byte* data[R];
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
    tile.data[j] = w.data + tile.index[j] * w.stride;
  }
  return tile;
}

// Fetches the rows of a later tile, side by side, line by line while this one is computed.
template <int R>
struct TileAhead {
  const std::byte* lines[R];

  // For the tile at i. Short rows need a longer lead than one tile to hide the latency.
  TC_INLINE TileAhead(const RowMatrix& w, const RowSet& rows, int64_t i) {
    constexpr int64_t kLead = 24 << 10;  // bytes
    const int64_t next = i + (R * w.row_bytes < kLead ? 2 * R : R);
    TC_UNROLL
    for (int j = 0; j < R; ++j) {
      lines[j] = w.data + RowAt(rows, MinOf(next + j, rows.count - 1)) * w.stride;
    }
  }
  // REQUIRES: a call for every line of this tile's rows; line counts them.
  TC_INLINE void Fetch(int64_t line) const {
    TC_UNROLL
    for (int j = 0; j < R; ++j) Prefetch(lines[j] + line * kLine);
  }
};

// A listed row that is wanted soon, panel by panel.
struct RowAhead {
  const std::byte* row;

  // kBytes of it, from `at` on.
  template <int64_t kBytes>
  TC_INLINE void Fetch(int64_t at) const {
    TC_UNROLL
    for (int64_t b = 0; b < kBytes; b += kLine) Prefetch(row + at + b);
  }
};

// What comes after a tile of rows of one stretch, a few lines at every panel of every pass over the
// tile: lines asked for all at once keep those waiting that the arithmetic needs now.
struct StretchAhead {
  const std::byte* from;
  int64_t lines;     // in all passes
  int64_t per_turn;  // a turn is a panel of a pass
  int64_t turn;      // the first of this pass

  // For a pass over the tile of R rows at i, each pass of `panels`; `passes` in all, which is 0 where
  // nothing is to be fetched.
  template <int R>
  static TC_INLINE StretchAhead Of(const RowMatrix& w, const RowSet& rows, int64_t i,
                                   int64_t panels, int64_t pass, int64_t passes) {
    constexpr int64_t kLead = 16 << 10;
    if (passes == 0) return {w.data, 0, 0, 0};
    const int64_t bytes = R * w.row_bytes;
    const int64_t turns = passes * panels;
    const int64_t lines = (bytes + kLine - 1) / kLine;
    return {w.data + (rows.begin + i) * w.row_bytes + (bytes > kLead ? bytes : kLead), lines,
            (lines + turns - 1) / turns, pass * panels};
  }

  template <int64_t kBytes>
  TC_INLINE void Fetch(int64_t at) const {
    const int64_t first = (turn + at / kBytes) * per_turn;
    const int64_t last = MinOf(first + per_turn, lines);
    for (int64_t line = first; line < last; ++line) Prefetch(from + line * kLine);
  }
};

struct NothingAhead {
  template <int64_t kBytes>
  TC_INLINE void Fetch(int64_t) const {}
  TC_INLINE void Fetch(int64_t) const {}
};

// With several tokens a tile takes long enough for the processor's own prefetching, once it
// has seen where the listed rows are.
template <int R>
TC_INLINE void FetchRowsAfter(const RowMatrix& w, const RowSet& rows, int64_t i) {
  if (OneStretch(w, rows)) return;
  for (int64_t j = i + R; j < MinOf(i + 2 * R, rows.count); ++j) {
    FetchStretch(w.data + RowAt(rows, j) * w.stride, MinOf(w.row_bytes, 4096));
  }
}

// Tokens whose inputs stay in the second cache while all rows pass by them.
TC_INLINE int64_t TokensAtOnce(int64_t bytes_per_token) {
  constexpr int64_t kCacheBytes = 512 << 10;
  const int64_t n = kCacheBytes / (bytes_per_token > 0 ? bytes_per_token : 1) / 4 * 4;
  return n < 16 ? 16 : n;
}

}  // namespace
}  // namespace thermocline
