#include "backends/reference/reference_k_quants.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "backends/k_quants.h"
#include "util/f16.h"

namespace thermocline {
namespace {

constexpr int64_t kBlock = 32, kPanel = 16, kGroup = 32, kGroups = 8;

int Byte(const std::byte* p, int64_t i) { return std::to_integer<int>(p[i]); }

float Half(const std::byte* p, int64_t i) {
  uint16_t value;
  std::memcpy(&value, p + 2 * i, sizeof value);
  return F16ToF32(value);
}

// One block of 32 in its lane of a panel.
struct Lane {
  DType type;
  const std::byte* panel;
  int64_t n;     // blocks of the panel
  int64_t lane;

  int64_t superblocks() const { return n / kGroups; }
  const std::byte* scales() const {
    return panel + superblocks() * (type == DType::kQ6_K ? 2 : 4);
  }
  float d() const { return Half(panel, lane / kGroups); }
  float dmin() const { return Half(panel, superblocks() + lane / kGroups); }
  int first() const { return Byte(scales(), lane); }
  int second() const { return Byte(scales(), n + lane); }
  // Of the halves of a Q6_K block.
  int scale(int64_t half) const { return static_cast<int8_t>(half == 0 ? first() : second()); }
  int quant(int64_t i) const {
    const std::byte* const nibbles = scales() + 2 * n;
    const auto at = [&](int64_t v, int64_t k) { return (v * n + lane) * 4 + k; };
    const int pair = Byte(nibbles, at(i % 16 / 4, i % 4));
    const int low = i < 16 ? pair & 15 : pair >> 4;
    const std::byte* const high = nibbles + 16 * n;
    if (type == DType::kQ5_K) return low | (Byte(high, at(0, i % 4)) >> (i / 4) & 1) << 4;
    if (type == DType::kQ6_K) {
      return low | (Byte(high, at(i / 16, i % 4)) >> (i % 16 / 4 * 2) & 3) << 4;
    }
    return low;
  }
};

Lane LaneAt(const RowMatrix& w, const std::byte* row, int64_t block) {
  const int64_t panel = block / kPanel;
  const int64_t n = std::min(kPanel, w.cols / kBlock - panel * kPanel);
  const int64_t before = panel * kPanel / kGroups * SuperblockBytes(w.type);
  return {w.type, row + before, n, block % kPanel};
}

// Quants times inputs, over the elements [begin, end) of a block.
int32_t IntegerDot(const Lane& lane, const int8_t* panel_q, int64_t begin, int64_t end) {
  int32_t dot = 0;
  for (int64_t i = begin; i < end; ++i) {
    dot += lane.quant(i) * panel_q[(i / 4 * lane.n + lane.lane) * 4 + i % 4];
  }
  return dot;
}

// Quant c of a neuron's row.
int RowQuant(const NeuronMatrix& w, const std::byte* row, int64_t c) {
  const int pair = Byte(row, c / 32 * 16 + c % 16);
  const int low = c % 32 < 16 ? pair & 15 : pair >> 4;
  const std::byte* const high = row + w.cols / 2;
  if (w.type == DType::kQ5_K) return low | (Byte(high, c / 8) >> (c % 8) & 1) << 4;
  if (w.type == DType::kQ6_K) return low | (Byte(high, c / 4) >> (c % 4 * 2) & 3) << 4;
  return low;
}

// What a group of 32 neurons adds to column c.
struct Group {
  const NeuronMatrix& w;
  int64_t index;

  const std::byte* superblock() const { return w.data + index / kGroups * w.super_bytes; }
  const std::byte* data() const { return superblock() + index % kGroups * w.group_bytes; }
  const std::byte* row(int64_t j) const { return data() + j * w.row_bytes; }
  int scale(int64_t c) const { return Byte(row(kGroup), c); }
  int second(int64_t c) const { return Byte(row(kGroup), w.cols + c); }
  float d(int64_t c) const { return Half(superblock() + kGroups * w.group_bytes, c); }
  float dmin(int64_t c) const { return Half(superblock() + kGroups * w.group_bytes, w.cols + c); }
};

}  // namespace

float KQuantDot(const RowMatrix& w, const std::byte* row, const Activations& x, int64_t t) {
  const int64_t blocks = w.cols / kBlock;
  float sums[kPanel] = {};
  for (int64_t b = 0; b < blocks; ++b) {
    const Lane lane = LaneAt(w, row, b);
    const int8_t* const q = x.q + t * w.cols + b / kPanel * kPanel * kBlock;
    const int64_t at = t * blocks + b;
    float& sum = sums[b % kPanel];
    if (w.type == DType::kQ6_K) {
      // Integers as long as it takes: both products together stay below 2^24.
      const int32_t first = IntegerDot(lane, q, 0, 16) - 32 * x.q_first[at];
      const int32_t second = IntegerDot(lane, q, 16, 32) - 32 * (x.q_sum[at] - x.q_first[at]);
      const auto dot = static_cast<float>(lane.scale(0) * first + lane.scale(1) * second);
      sum = std::fma(dot, lane.d() * x.q_scale[at], sum);
      continue;
    }
    const auto dot = static_cast<float>(IntegerDot(lane, q, 0, 32));
    const float scale = lane.d() * static_cast<float>(lane.first());
    const float min = lane.dmin() * static_cast<float>(lane.second());
    sum = std::fma(dot, scale * x.q_scale[at], sum);
    sum = std::fma(-min, static_cast<float>(x.q_sum[at]) * x.q_scale[at], sum);
  }
  for (int64_t half = kPanel / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i < half; ++i) sums[i] += sums[i + half];
  }
  return sums[0];
}

void WidenKQuantRow(const RowMatrix& w, const std::byte* row, float* out) {
  for (int64_t c = 0; c < w.cols; ++c) {
    const Lane lane = LaneAt(w, row, c / kBlock);
    const int q = lane.quant(c % kBlock);
    if (w.type == DType::kQ6_K) {
      out[c] = lane.d() * static_cast<float>(lane.scale(c % kBlock / 16) * (q - 32));
    } else {
      out[c] = lane.d() * static_cast<float>(lane.first() * q) -
               lane.dmin() * static_cast<float>(lane.second());
    }
  }
}

float AddedKQuantNeurons(const NeuronMatrix& w, NeuronList list, const float* h, int64_t c,
                         float y) {
  int64_t current = -1;
  float sums[2] = {};   // of quants times h; Q6_K: of the first and the last 16 neurons
  float factors = 0;    // of h
  const auto finish_group = [&] {
    if (current < 0) return;
    const Group group{w, current};
    if (w.type == DType::kQ6_K) {
      const auto scale = static_cast<float>(static_cast<int8_t>(group.scale(c)));
      const auto second = static_cast<float>(static_cast<int8_t>(group.second(c)));
      y = std::fma(group.d(c), std::fma(second, sums[1], scale * sums[0]), y);
      return;
    }
    y = std::fma(group.d(c) * static_cast<float>(group.scale(c)), sums[0], y);
    y = std::fma(-(group.dmin(c) * static_cast<float>(group.second(c))), factors, y);
  };
  for (int64_t i = 0; i < list.count; ++i) {
    const float factor = h[list.positions[i]];
    if (factor == 0) continue;
    const int64_t row = list.rows[i];
    if (row / kGroup != current) {
      finish_group();
      current = row / kGroup;
      sums[0] = sums[1] = factors = 0;
    }
    const int q = RowQuant(w, Group{w, current}.row(row % kGroup), c);
    const bool six = w.type == DType::kQ6_K;
    float& sum = sums[six && row % kGroup >= 16 ? 1 : 0];
    sum = std::fma(factor, static_cast<float>(six ? q - 32 : q), sum);
    factors += factor;
  }
  finish_group();
  return y;
}

}  // namespace thermocline
