// The definition of every kernel, one element at a time. Nothing here is fast; it is what
// the other sets are tested against, and what runs where none of them does.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "backends/kernels.h"
#include "backends/reference/reference_k_quants.h"
#include "util/f16.h"

namespace thermocline {
namespace {

constexpr int64_t kBlock = 32;
constexpr int64_t kPanel = 16;  // blocks

uint16_t Half(const std::byte* p, int64_t i) {
  uint16_t value;
  std::memcpy(&value, p + 2 * i, sizeof value);
  return value;
}

// Element i of plain values.
float Plain(DType type, const std::byte* p, int64_t i) {
  if (type == DType::kF16) return F16ToF32(Half(p, i));
  if (type == DType::kBF16) return BF16ToF32(Half(p, i));
  float value;
  std::memcpy(&value, p + 4 * i, sizeof value);
  return value;
}

bool IsQuantized(DType type) { return BlockElements(type) != 1; }

// A block of a row of panels: its panel's first block, how many that has, its lane there.
struct InPanel {
  int64_t first, blocks, lane;

  InPanel(int64_t cols, int64_t block)
      : first(block / kPanel * kPanel),
        blocks(std::min(kPanel, cols / kBlock - first)),
        lane(block - first) {}
  // Byte i of those that each block of the panel has, from the panel's first vector on.
  int64_t Byte(int64_t i) const { return (i / 4 * blocks + lane) * 4 + i % 4; }
};

// One block of a RowMatrix row.
struct RowBlock {
  float scale;
  int quants[kBlock];

  RowBlock(const RowMatrix& w, const std::byte* row, int64_t block) {
    const InPanel at(w.cols, block);
    const std::byte* const panel = row + at.first * BlockBytes(w.type);
    const std::byte* const vectors = panel + 2 * at.blocks;
    scale = F16ToF32(Half(panel, at.lane));
    for (int64_t i = 0; i < kBlock; ++i) {
      if (w.type == DType::kQ8_0) {
        quants[i] = static_cast<int8_t>(vectors[at.Byte(i)]);
      } else {
        const int pair = std::to_integer<int>(vectors[at.Byte(i % 16)]);
        quants[i] = (i < 16 ? pair & 0x0F : pair >> 4) - 8;
      }
    }
  }
};

float PlainDot(const RowMatrix& w, const std::byte* row, const float* x) {
  float sum = 0;
  for (int64_t k = 0; k < w.cols; ++k) sum += Plain(w.type, row, k) * x[k];
  return sum;
}

float QuantizedDot(const RowMatrix& w, const std::byte* row, const int8_t* q, const float* scale) {
  float sums[kPanel] = {};  // by lane
  for (int64_t b = 0; b < w.cols / kBlock; ++b) {
    const InPanel at(w.cols, b);
    const RowBlock block(w, row, b);
    int32_t dot = 0;
    for (int64_t i = 0; i < kBlock; ++i) dot += block.quants[i] * q[at.first * kBlock + at.Byte(i)];
    sums[at.lane] = std::fma(static_cast<float>(dot), block.scale * scale[b], sums[at.lane]);
  }
  for (const int half : {8, 4, 2, 1}) {
    for (int i = 0; i < half; ++i) sums[i] += sums[i + half];
  }
  return sums[0];
}

void Matmul(const RowMatrix& w, RowSet rows, const Activations& x, float* y, int64_t y_stride) {
  for (int64_t i = 0; i < rows.count; ++i) {
    const int64_t r = rows.list != nullptr ? rows.list[i] : rows.begin + i;
    const std::byte* const row = w.data + r * w.stride;
    for (int64_t t = 0; t < x.n_tokens; ++t) {
      float& out = y[t * y_stride + r];
      if (IsKQuant(w.type)) {
        out = KQuantDot(w, row, x, t);
      } else if (IsQuantized(w.type)) {
        out = QuantizedDot(w, row, x.q + t * x.cols, x.q_scale + t * (x.cols / kBlock));
      } else {
        out = PlainDot(w, row, x.x + t * x.x_stride);
      }
    }
  }
}

// --- the down matrix ---------------------------------------------------------------------------

// Bytes of a row without scales.
int64_t NeuronQuantBytes(const NeuronMatrix& w) {
  return w.type == DType::kQ8_0 ? w.cols : w.cols / 2;
}

// The word of a quantised row that holds column c, and from which of its bits on.
struct WordPlace {
  int64_t word;
  int64_t bit;
};
WordPlace PlaceOf(DType type, int64_t cols, int64_t c) {
  const bool nibbles = type == DType::kQ4_0;
  const int64_t chunk = nibbles ? 128 : 64, unit = nibbles ? 32 : 16;
  const int64_t bits = nibbles ? 4 : 8, in_word = 16 / bits;
  if (c / chunk < cols / chunk) {
    const int64_t i = c % chunk, part = i / 16;
    const int64_t word = i % 16 / 4 * 8 + part / in_word * 4 + i % 4;
    return {c / chunk * 32 + word, part % in_word * bits};
  }
  const int64_t i = c % unit;
  const int64_t first = cols / chunk * 32 + c % chunk / unit * 8;
  if (!nibbles) return {first + i / 8 * 4 + i % 4, i / 4 % 2 * 8};
  return {first + i % 16 / 8 * 4 + i % 4, i / 16 * 4 + i / 4 % 2 * 8};
}

int NeuronQuant(const NeuronMatrix& w, const std::byte* row, int64_t c) {
  const WordPlace place = PlaceOf(w.type, w.cols, c);
  const int bits = Half(row, place.word) >> place.bit;
  return w.type == DType::kQ8_0 ? static_cast<int8_t>(bits) : (bits & 0x0F) - 8;
}

// The step of 16-bit factors that reach up to `largest`; see accumulate_neurons.
float StepOf(float largest) {
  if (!std::isfinite(largest)) return std::numeric_limits<float>::quiet_NaN();
  return largest == 0 ? 0x1p-126F : std::fmax(std::ldexp(1.0F, std::ilogb(largest) - 14), 0x1p-126F);
}

// Rows of one set and column c, once h is known: at most kOwnScaleSet.
struct SetOfRows {
  int64_t set = -1;
  int64_t count = 0;
  float factors[kOwnScaleSet];
  int quants[kOwnScaleSet];
};

float AddSet(const SetOfRows& rows, float scale, float y) {
  float largest = 0;
  for (int64_t i = 0; i < rows.count; ++i) {
    const float size = std::fabs(rows.factors[i]);
    largest = size > largest || std::isnan(size) ? size : largest;
  }
  const float step = StepOf(largest);
  int32_t sum = 0;
  for (int64_t i = 0; i < rows.count && std::isfinite(step); ++i) {
    const float factor = std::fmin(std::nearbyint(rows.factors[i] * (1.0F / step)), 32767.0F);
    sum += static_cast<int32_t>(factor) * rows.quants[i];
  }
  return std::fma(static_cast<float>(sum), scale * step, y);
}

// One output of accumulate_neurons, column c.
float AddedQuantized(const NeuronMatrix& w, NeuronList list, const float* h, int64_t c, float y) {
  const bool own = w.group_bytes == 0;
  const int64_t set_rows = own ? kOwnScaleSet : kSharedScaleSet;
  SetOfRows rows;
  const auto finish_set = [&] {
    if (rows.count == 0) return;
    const std::byte* const scales = w.data + rows.set * w.group_bytes + set_rows * w.row_bytes;
    y = AddSet(rows, own ? 1.0F : F16ToF32(Half(scales, c)), y);
    rows.count = 0;
  };
  for (int64_t i = 0; i < list.count; ++i) {
    const float factor = h[list.positions[i]];
    if (factor == 0) continue;
    const int64_t set = list.rows[i] / set_rows;
    if (set != rows.set || rows.count == set_rows) finish_set();
    rows.set = set;
    const std::byte* const row =
        own ? w.data + list.rows[i] * w.stride
            : w.data + set * w.group_bytes + list.rows[i] % set_rows * w.row_bytes;
    const float scale = own ? F16ToF32(Half(row + NeuronQuantBytes(w), c / kBlock)) : 1.0F;
    rows.factors[rows.count] = factor * scale;
    rows.quants[rows.count++] = NeuronQuant(w, row, c);
  }
  finish_set();
  return y;
}

float AddedNeurons(const NeuronMatrix& w, NeuronList list, const float* h, int64_t c, float y) {
  if (IsKQuant(w.type)) return AddedKQuantNeurons(w, list, h, c, y);
  if (IsQuantized(w.type)) return AddedQuantized(w, list, h, c, y);
  for (int64_t i = 0; i < list.count; ++i) {
    const float factor = h[list.positions[i]];
    if (factor != 0) y += factor * Plain(w.type, w.data + list.rows[i] * w.stride, c);
  }
  return y;
}

void AccumulateNeurons(const NeuronMatrix& w, NeuronList list, const float* h, float* y) {
  for (int64_t c = 0; c < w.cols; ++c) y[c] = AddedNeurons(w, list, h, c, y[c]);
}

void AddNeurons(const NeuronMatrix& w, NeuronList list, const float* h, int64_t h_stride,
                int64_t n_tokens, int64_t col_begin, int64_t col_end, float* y,
                int64_t y_stride) {
  for (int64_t t = 0; t < n_tokens; ++t) {
    for (int64_t c = col_begin; c < col_end; ++c) {
      y[t * y_stride + c] += AddedNeurons(w, list, h + t * h_stride, c, 0.0F);
    }
  }
}

void Quantize(const float* x, int64_t n, int8_t* q, float* scale, int32_t* sum, int32_t* first) {
  for (int64_t b = 0; b < n / kBlock; ++b, x += kBlock) {
    float largest = 0;
    bool finite = true;
    for (int64_t i = 0; i < kBlock; ++i) {
      finite = finite && std::isfinite(x[i]);
      largest = std::fmax(largest, std::fabs(x[i]));
    }
    scale[b] = finite ? largest / 127.0F : std::numeric_limits<float>::quiet_NaN();
    sum[b] = 0;
    first[b] = 0;
    const InPanel at(n, b);
    for (int64_t i = 0; i < kBlock; ++i) {
      // Among subnormals the scale itself is rounded, so a quant could pass 127.
      const float quant =
          scale[b] > 0 ? std::fmin(127.0F, std::fmax(-127.0F, std::nearbyint(x[i] / scale[b])))
                       : 0.0F;
      q[at.first * kBlock + at.Byte(i)] = static_cast<int8_t>(quant);
      sum[b] += static_cast<int32_t>(quant);
      if (i < kBlock / 2) first[b] += static_cast<int32_t>(quant);
    }
  }
}

void RmsNorm(const float* x, const float* weight, int64_t n, float epsilon, float* out) {
  double squares = 0;
  for (int64_t i = 0; i < n; ++i) squares += static_cast<double>(x[i]) * x[i];
  const double mean = squares / static_cast<double>(n);
  const auto factor = static_cast<float>(1.0 / std::sqrt(mean + epsilon));
  for (int64_t i = 0; i < n; ++i) out[i] = x[i] * factor * weight[i];
}

void LayerNorm(const float* x, const float* weight, const float* bias, int64_t n, float epsilon,
               float* out) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += x[i];
  const double mean = sum / static_cast<double>(n);
  double squares = 0;
  for (int64_t i = 0; i < n; ++i) squares += (x[i] - mean) * (x[i] - mean);
  const double factor = 1.0 / std::sqrt(squares / static_cast<double>(n) + epsilon);
  for (int64_t i = 0; i < n; ++i) {
    out[i] = static_cast<float>((x[i] - mean) * factor) * weight[i] + bias[i];
  }
}

float Act(ActivationFunction f, float x) {
  constexpr float kSqrtHalf = 0.70710678F;
  constexpr float kSqrtTwoOverPi = 0.79788456F;
  switch (f) {
    case ActivationFunction::kRelu:
    case ActivationFunction::kDoubleRelu: return x <= 0 ? 0.0F : x;
    case ActivationFunction::kSilu: return x / (1.0F + std::exp(-x));
    case ActivationFunction::kGelu: return 0.5F * x * (1.0F + std::erf(x * kSqrtHalf));
    case ActivationFunction::kGeluTanh:
      return 0.5F * x * (1.0F + std::tanh(kSqrtTwoOverPi * (x + 0.044715F * x * x * x)));
    case ActivationFunction::kReluSquared: return x <= 0 ? 0.0F : x * x;
  }
  return x;
}

void Activate(ActivationFunction f, const float* gate, const float* up, int64_t n, float* h) {
  for (int64_t i = 0; i < n; ++i) {
    const float a = Act(f, gate[i]);
    if (up == nullptr) {
      h[i] = a;
    } else {
      h[i] = a * (f == ActivationFunction::kDoubleRelu ? Act(f, up[i]) : up[i]);
    }
  }
}

void Add(const float* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] += x[i];
}

float CachedKey(const KeyView& keys, int64_t position, int64_t c) {
  const int64_t block = position / kKeyBlock * keys.head_dim + c;
  return Plain(keys.type, keys.data, block * kKeyBlock + position % kKeyBlock);
}

void Attend(const AttentionQueries& queries, KeyView keys, KvView values, float scale,
            float* scores, AttentionSum* sums) {
  for (int64_t r = 0; r < queries.count; ++r) {
    const int64_t n = queries.n[r];
    AttentionSum& sum = sums[r];
    for (int64_t i = 0; i < n; ++i) {
      float dot = 0;
      for (int64_t c = 0; c < keys.head_dim; ++c) dot += queries.q[r][c] * CachedKey(keys, i, c);
      scores[i] = scale * dot;
      if (i == 0 || scores[i] > sum.max) sum.max = scores[i];
    }
    double total = 0;
    for (int64_t i = 0; i < n; ++i) total += scores[i] = std::exp(scores[i] - sum.max);
    sum.total = static_cast<float>(total);
    for (int64_t c = 0; c < values.head_dim; ++c) {
      float mixed = 0;
      for (int64_t i = 0; i < n; ++i) {
        mixed += scores[i] * Plain(values.type, values.data + i * values.stride, c);
      }
      sum.mixed[c] = mixed;
    }
  }
}

void MergeAttention(const AttentionSum& next, int64_t head_dim, AttentionSum* sum) {
  const float max = sum->max > next.max ? sum->max : next.max;
  const float keep = std::exp(sum->max - max);
  const float take = std::exp(next.max - max);
  sum->max = max;
  sum->total = sum->total * keep + next.total * take;
  for (int64_t c = 0; c < head_dim; ++c) {
    sum->mixed[c] = sum->mixed[c] * keep + next.mixed[c] * take;
  }
}

void ToF16(const float* x, int64_t n, uint16_t* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = F32ToF16(x[i]);
}

void SignScores(const uint64_t* rows, int64_t n, int64_t words, int64_t columns, const uint64_t* x,
                float* scores) {
  for (int64_t i = 0; i < n; ++i) {
    int64_t differ = 0;
    for (int64_t w = 0; w < words; ++w) differ += std::popcount(rows[i * words + w] ^ x[w]);
    scores[i] = static_cast<float>(columns - 2 * differ);
  }
}

void WidenRow(const RowMatrix& w, int64_t row, float* out) {
  const std::byte* const from = w.data + row * w.stride;
  if (IsKQuant(w.type)) return WidenKQuantRow(w, from, out);
  if (!IsQuantized(w.type)) {
    for (int64_t c = 0; c < w.cols; ++c) out[c] = Plain(w.type, from, c);
    return;
  }
  for (int64_t b = 0; b < w.cols / kBlock; ++b) {
    const RowBlock block(w, from, b);
    for (const int quant : block.quants) *out++ = block.scale * static_cast<float>(quant);
  }
}

constexpr Kernels kReference = {
    "scalar", Matmul,  AccumulateNeurons, AddNeurons, Quantize,     RmsNorm, LayerNorm, Activate,
    Add,      Attend,  MergeAttention,    ToF16,      SignScores,   WidenRow,
};

}  // namespace

const Kernels& ReferenceKernels() { return kReference; }

}  // namespace thermocline
