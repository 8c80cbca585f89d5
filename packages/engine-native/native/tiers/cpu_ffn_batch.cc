// Several tokens at once: rows in chunks, then columns in chunks. The union of what the tokens
// compute decides which rows are read; a token adds only its own.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "tiers/cpu_ffn.h"

namespace thermocline {
namespace {

constexpr int64_t kTokenChunk = 32;  // tokens and columns per task of adding up down rows
constexpr int64_t kColumnChunk = 2 * kNeuronColumns;

// The first n bits.
uint64_t FullMask(int64_t n) { return n == 64 ? ~uint64_t{0} : (uint64_t{1} << n) - 1; }

// Calls visit(i) for each bit that is set, ascending.
template <typename Visit>
void ForBits(uint64_t mask, Visit visit) {
  for (; mask != 0; mask &= mask - 1) visit(std::countr_zero(mask));
}

// The rows of a chunk, as a list only where some are missing.
struct ChunkRows {
  uint32_t list[kRowChunk];
  RowSet set;

  ChunkRows(int64_t begin, int64_t n, uint64_t mask) {
    int64_t count = 0;
    ForBits(mask, [&](int i) { list[count++] = static_cast<uint32_t>(begin + i); });
    set = count == n ? RowSet{nullptr, begin, n} : RowSet{list, 0, count};
  }
  ChunkRows(const ChunkRows&) = delete;
  ChunkRows& operator=(const ChunkRows&) = delete;
};

// The positions whose value passes the test. First a byte each, which compilers make vectors of;
// the product then moves the lowest bit of byte i to bit i of the highest byte.
template <typename Test>
uint64_t MaskWhere(const float* values, int64_t n, Test test) {
  uint8_t flags[kRowChunk] = {};
  for (int64_t i = 0; i < n; ++i) flags[i] = test(values[i], i) ? 1 : 0;
  uint64_t mask = 0;
  for (int64_t i = 0; i < kRowChunk; i += 8) {
    uint64_t bytes;
    std::memcpy(&bytes, flags + i, sizeof bytes);
    mask |= (bytes * 0x0102040810204080U) >> 56 << i;
  }
  return mask;
}

// Most are zero, mostly: what stays is put aside.
void ClearUnless(uint64_t mask, int64_t n, float* values) {
  if (mask == FullMask(n)) return;
  float kept[kRowChunk];
  ForBits(mask, [&](int i) { kept[i] = values[i]; });
  std::fill_n(values, n, 0.0F);
  ForBits(mask, [&](int i) { values[i] = kept[i]; });
}

}  // namespace

void CpuFfn::RunBatch(const CpuPart& part, TensorView y, FfnOutcome* outcome) {
  const int64_t n_tokens = part.work.x.n_tokens;
  const int64_t n_chunks = CeilDiv(part.n, kRowChunk);
  if (part.work.listed()) MaskLists(part, n_chunks);
  std::vector<uint64_t> bytes(static_cast<size_t>(n_chunks), 0);
  auto row_task = [&](int64_t chunk, int) {
    bytes[static_cast<size_t>(chunk)] = RunRows(part, chunk);
  };
  pool_.ParallelFor(n_chunks, row_task);

  int64_t counts[kLanes] = {};
  for (int64_t chunk = 0; chunk < n_chunks; ++chunk) {
    ForBits(scratch_.active[static_cast<size_t>(chunk)], [&](int i) {
      const int64_t position = chunk * kRowChunk + i;
      const int64_t lane = position / LaneCapacity(part.n);
      LanePositions(part, lane)[counts[lane]++] = static_cast<uint32_t>(position);
    });
  }
  for (int64_t lane = 0; lane < LanesOf(part.n); ++lane) {
    SetLaneCount(part, lane, counts[lane]);
    outcome->bytes_read += DownBytes(part, LaneList(part, lane));
  }

  std::fill_n(scratch_.sums.data(), n_tokens * part.d_model, 0.0F);
  auto column_task = [&](int64_t chunk, int) { RunColumns(part, chunk); };
  pool_.ParallelFor(CeilDiv(part.d_model, kColumnChunk) * CeilDiv(n_tokens, kTokenChunk),
                    column_task);

  for (int64_t t = 0; t < n_tokens; ++t) {
    kernels_.add(scratch_.sums.data() + t * part.d_model, part.d_model, y.f32(t));
    for (int64_t chunk = 0; chunk < n_chunks; ++chunk) {
      const auto at = static_cast<size_t>(chunk * max_tokens_ + t);
      outcome->fired[static_cast<size_t>(t)] += scratch_.fired[at];
      outcome->computed[static_cast<size_t>(t)] += scratch_.computed[at];
    }
  }
  for (const uint64_t b : bytes) outcome->bytes_read += b;
}

void CpuFfn::MaskLists(const CpuPart& part, int64_t n_chunks) {
  std::fill_n(scratch_.masks.data(), n_chunks * max_tokens_, uint64_t{0});
  for (int64_t t = 0; t < part.work.x.n_tokens; ++t) {
    for (const uint32_t p : part.work.lists[static_cast<size_t>(t)]) {
      scratch_.masks[static_cast<size_t>(p / kRowChunk * max_tokens_ + t)] |=
          uint64_t{1} << (p % kRowChunk);
    }
  }
}

// The bytes that were read.
uint64_t CpuFfn::RunRows(const CpuPart& part, int64_t chunk) {
  const Activations& x = part.work.x;
  const int64_t begin = chunk * kRowChunk;
  const int64_t n = std::min(kRowChunk, part.n - begin);
  const auto values_of = [&](std::vector<float>& values, int64_t t) {
    return values.data() + t * part.n + begin;
  };
  uint64_t* const masks = scratch_.masks.data() + chunk * max_tokens_;
  uint32_t* const fired = scratch_.fired.data() + chunk * max_tokens_;
  uint32_t* const computed = scratch_.computed.data() + chunk * max_tokens_;
  if (!part.work.listed()) std::fill_n(masks, x.n_tokens, FullMask(n));

  uint64_t listed = 0;
  for (int64_t t = 0; t < x.n_tokens; ++t) listed |= masks[t];
  const ChunkRows first_rows(begin, n, listed);
  kernels_.matmul(part.first(), first_rows.set, x, scratch_.first.data(), part.n);
  uint64_t kept = 0;
  for (int64_t t = 0; t < x.n_tokens; ++t) {
    AddBias(part.first_bias(), begin, n, values_of(scratch_.first, t));
    const uint64_t mask = KeepMask(part, begin, n, masks[t], values_of(scratch_.first, t));
    computed[t] = static_cast<uint32_t>(std::popcount(part.work.threshold.empty() ? masks[t]
                                                                                  : mask));
    masks[t] = mask;
    kept |= mask;
  }
  const ChunkRows up_rows(begin, n, kept);
  if (part.gated) kernels_.matmul(part.up, up_rows.set, x, scratch_.second.data(), part.n);

  uint64_t active = 0;
  for (int64_t t = 0; t < x.n_tokens; ++t) {
    float* const values = values_of(scratch_.first, t);
    float* const ups = values_of(scratch_.second, t);
    uint64_t firing = 0;
    if (part.fires_by_gate()) {
      firing = MaskWhere(values, n, [](float value, int64_t) { return value > 0; });
    }
    if (part.gated) AddBias(part.up_bias, begin, n, ups);
    kernels_.activate(part.activation, values, part.gated ? ups : nullptr, n, values);
    ClearUnless(masks[t], n, values);
    if (!part.fires_by_gate()) {
      firing = MaskWhere(values, n, [](float value, int64_t) { return value != 0; });
    }
    fired[t] = static_cast<uint32_t>(std::popcount(firing & masks[t]));
    active |= part.skips_zero_ups() ? firing : masks[t];
  }
  scratch_.active[static_cast<size_t>(chunk)] = active;
  const int64_t bytes = first_rows.set.count * part.first().row_bytes +
                        (part.gated ? up_rows.set.count * part.up.row_bytes : 0);
  return static_cast<uint64_t>(bytes);
}

uint64_t CpuFfn::KeepMask(const CpuPart& part, int64_t begin, int64_t n, uint64_t mask,
                          const float* values) const {
  const FfnWork& work = part.work;
  uint64_t out = 0;
  if (work.skip_zeros) {
    out = MaskWhere(values, n, [](float value, int64_t) { return value <= 0; });
  }
  if (!work.threshold.empty()) {
    float strength[kRowChunk];
    kernels_.activate(part.activation, values, nullptr, n, strength);
    out |= MaskWhere(strength, n, [&](float value, int64_t i) {
      return std::fabs(value) <= work.ThresholdAt(begin + i);
    });
  }
  return mask & ~out;
}

void CpuFfn::RunColumns(const CpuPart& part, int64_t chunk) {
  const int64_t column_chunks = CeilDiv(part.d_model, kColumnChunk);
  const int64_t c = chunk % column_chunks * kColumnChunk;
  const int64_t t = chunk / column_chunks * kTokenChunk;
  const int64_t n = std::min(kTokenChunk, part.work.x.n_tokens - t);
  const float* const h = scratch_.first.data() + t * part.n;
  // Handed out here, where they are in a cache that is about to read them.
  if (c == 0 && !part.work.h.empty()) {
    std::copy_n(h, n * part.n, part.work.h.data() + t * part.n);
  }
  for (int64_t lane = 0; lane < LanesOf(part.n); ++lane) {
    kernels_.add_neurons(part.down, LaneList(part, lane), h, part.n, n, c,
                         std::min(c + kColumnChunk, part.d_model),
                         scratch_.sums.data() + t * part.d_model, part.d_model);
  }
}

}  // namespace thermocline
