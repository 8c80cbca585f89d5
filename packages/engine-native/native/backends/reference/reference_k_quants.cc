#include "backends/reference/reference_k_quants.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

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

// Where column c stands in a neuron's row: in which of eight sums of which lane of its piece.
struct Place {
  int64_t piece;  // its first column
  int64_t sum, lane;
};
Place PlaceOf(int64_t cols, int64_t c) {
  const int64_t i = c % kNeuronColumns;
  if (c / kNeuronColumns < cols / kNeuronColumns) return {c - i, i / 16, i % 16};
  return {c / 32 * 32, c % 16 / 8 * 4 + c % 8 / 4 * 2 + c % 32 / 16, c % 4};
}

// Quant c of a neuron's row.
int RowQuant(const NeuronMatrix& w, const std::byte* row, int64_t c) {
  const auto word = [](const std::byte* p) { return Byte(p, 0) | Byte(p, 1) << 8; };
  const Place at = PlaceOf(w.cols, c);
  const int64_t nibble_word = at.lane / 4 * 8 + at.sum / 4 * 4 + at.lane % 4;
  const int low = word(row + at.piece / 2 + 2 * nibble_word) >> (at.sum % 4 * 4) & 15;
  const std::byte* const high = row + w.cols / 2;
  if (w.type == DType::kQ5_K) {
    return low | (Byte(high, at.piece / 8 + at.lane) >> at.sum & 1) << 4;
  }
  if (w.type == DType::kQ6_K) {
    return low | (word(high + at.piece / 4 + 2 * at.lane) >> (2 * at.sum) & 3) << 4;
  }
  return low;
}

// The step of 16-bit factors that reach up to `largest`; see accumulate_neurons.
float StepOf(float largest) {
  if (!std::isfinite(largest)) return std::numeric_limits<float>::quiet_NaN();
  return largest == 0 ? 0x1p-126F : std::fmax(std::ldexp(1.0F, std::ilogb(largest) - 14), 0x1p-126F);
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
  const bool six = w.type == DType::kQ6_K;
  const int64_t set_rows = six ? kGroup / 2 : kGroup;
  int64_t set = -1, count = 0;
  float factors[kGroup];
  int quants[kGroup];
  const auto finish_set = [&] {
    if (count == 0) return;
    float largest = 0;
    for (int64_t i = 0; i < count; ++i) {
      const float size = std::fabs(factors[i]);
      largest = size > largest || std::isnan(size) ? size : largest;
    }
    const float step = StepOf(largest);
    int32_t sum = 0, all = 0;
    for (int64_t i = 0; i < count && std::isfinite(step); ++i) {
      const auto factor = static_cast<int32_t>(
          std::fmin(std::nearbyint(factors[i] * (1.0F / step)), 32767.0F));
      sum += factor * quants[i];
      all += factor;
    }
    count = 0;
    const Group group{w, set * set_rows / kGroup};
    const int second = group.second(c);
    const int scale = !six ? group.scale(c)
                           : static_cast<int8_t>(set % 2 == 0 ? group.scale(c) : second);
    y = std::fma(static_cast<float>(sum), group.d(c) * static_cast<float>(scale) * step, y);
    if (six) return;
    const float min = group.dmin(c) * static_cast<float>(second);
    y = std::fma(-min, static_cast<float>(all) * step, y);
  };
  for (int64_t i = 0; i < list.count; ++i) {
    const float factor = h[list.positions[i]];
    if (factor == 0) continue;
    const int64_t row = list.rows[i];
    if (row / set_rows != set || count == set_rows) finish_set();
    set = row / set_rows;
    const int q = RowQuant(w, Group{w, row / kGroup}.row(row % kGroup), c);
    factors[count] = factor;
    quants[count++] = six ? q - 32 : q;
  }
  finish_set();
  return y;
}

}  // namespace thermocline
