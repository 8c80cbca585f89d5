#include "train/quantise.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "util/f16.h"

namespace thermocline {
namespace {

constexpr int64_t kBlock = 32;
constexpr uint16_t kF16Infinity = 0x7C00;
constexpr uint16_t kBF16Infinity = 0x7F80;

bool IsFinite(uint16_t bits, uint16_t infinity) { return (bits & infinity) != infinity; }

// The value of the largest magnitude, with its sign; NaN when there is one that is not finite.
float Largest(const float* x, int64_t n) {
  float largest = 0;
  bool finite = true;
  for (int64_t i = 0; i < n; ++i) {
    finite = finite && std::isfinite(x[i]);
    if (std::fabs(x[i]) > std::fabs(largest)) largest = x[i];
  }
  return finite ? largest : std::numeric_limits<float>::quiet_NaN();
}

template <typename Convert>
bool HalfRow(const float* x, int64_t cols, uint16_t infinity, Convert convert, std::byte* out) {
  bool fits = true;
  for (int64_t c = 0; c < cols; ++c) {
    const uint16_t bits = convert(x[c]);
    fits = fits && IsFinite(bits, infinity);
    std::memcpy(out + c * 2, &bits, 2);
  }
  return fits;
}

// Rounds half away from zero, as the reference quantiser does.
std::byte RoundedByte(float value) {
  return static_cast<std::byte>(static_cast<int8_t>(std::round(value)));
}

bool I8Row(const float* x, int64_t cols, std::byte* out, float* scale) {
  const float largest = Largest(x, cols);
  if (!std::isfinite(largest)) return false;
  *scale = std::fabs(largest) / 127.0F;
  const float inverse = *scale != 0 ? 1.0F / *scale : 0.0F;
  // A row of numbers so small that the inverse overflows is as good as zero.
  if (!std::isfinite(inverse)) *scale = 0;
  for (int64_t c = 0; c < cols; ++c) out[c] = *scale != 0 ? RoundedByte(x[c] * inverse) : std::byte{0};
  return true;
}

bool BlockScale(float scale, float* inverse, uint16_t* bits) {
  *bits = F32ToF16(scale);
  *inverse = scale != 0 ? 1.0F / scale : 0.0F;
  if (!std::isfinite(*inverse)) *inverse = 0;
  return IsFinite(*bits, kF16Infinity);
}

bool Q8Row(const float* x, int64_t cols, std::byte* out, uint16_t* scales) {
  for (int64_t block = 0; block < cols / kBlock; ++block, x += kBlock, out += kBlock) {
    float inverse = 0;
    if (!BlockScale(std::fabs(Largest(x, kBlock)) / 127.0F, &inverse, scales + block)) return false;
    for (int64_t i = 0; i < kBlock; ++i) out[i] = RoundedByte(x[i] * inverse);
  }
  return true;
}

bool Q4Row(const float* x, int64_t cols, std::byte* out, uint16_t* scales) {
  for (int64_t block = 0; block < cols / kBlock; ++block, x += kBlock, out += kBlock / 2) {
    float inverse = 0;
    // The largest magnitude, with its sign, becomes -8: the end that has one step more.
    if (!BlockScale(Largest(x, kBlock) / -8.0F, &inverse, scales + block)) return false;
    const auto quant = [&](int64_t i) {
      return static_cast<unsigned>(std::min(15, static_cast<int>(x[i] * inverse + 8.5F)));
    };
    for (int64_t i = 0; i < kBlock / 2; ++i) {
      out[i] = static_cast<std::byte>(quant(i) | (quant(i + kBlock / 2) << 4));
    }
  }
  return true;
}

bool IsBlocked(PredictorType type) {
  return type == PredictorType::kQ8_0 || type == PredictorType::kQ4_0;
}

int64_t ValueBytes(PredictorType type, int64_t cols) {
  switch (type) {
    case PredictorType::kF32: return cols * 4;
    case PredictorType::kF16:
    case PredictorType::kBF16: return cols * 2;
    case PredictorType::kI8:
    case PredictorType::kQ8_0: return cols;
    case PredictorType::kQ4_0: return cols / 2;
  }
  return 0;
}

}  // namespace

Result<PredictorMatrix> Quantise(PredictorType type, const float* values, int64_t rows,
                                 int64_t cols, ThreadPool& pool) {
  if (IsBlocked(type) && cols % kBlock != 0) {
    return Status(StatusCode::kInvalidArgument,
                  "Q8_0 and Q4_0 take 32 columns at a time, not " + std::to_string(cols));
  }
  PredictorMatrix matrix;
  matrix.type = type;
  matrix.rows = rows;
  matrix.cols = cols;
  const int64_t row_bytes = ValueBytes(type, cols);
  matrix.values.resize(static_cast<size_t>(rows * row_bytes));
  if (type == PredictorType::kI8) matrix.scale.resize(static_cast<size_t>(rows));
  if (IsBlocked(type)) matrix.block_scale.resize(static_cast<size_t>(rows * (cols / kBlock)));

  std::atomic<bool> fits{true};
  auto convert = [&](int64_t row, int) {
    const float* const x = values + row * cols;
    std::byte* const out = matrix.values.data() + row * row_bytes;
    bool row_fits = true;
    switch (type) {
      case PredictorType::kF32:
        row_fits = std::all_of(x, x + cols, [](float v) { return std::isfinite(v); });
        std::memcpy(out, x, static_cast<size_t>(row_bytes));
        break;
      case PredictorType::kF16:
        row_fits = HalfRow(x, cols, kF16Infinity, F32ToF16, out);
        break;
      case PredictorType::kBF16:
        row_fits = HalfRow(x, cols, kBF16Infinity, F32ToBF16, out);
        break;
      case PredictorType::kI8:
        row_fits = I8Row(x, cols, out, matrix.scale.data() + row);
        break;
      case PredictorType::kQ8_0:
        row_fits = Q8Row(x, cols, out, matrix.block_scale.data() + row * (cols / kBlock));
        break;
      case PredictorType::kQ4_0:
        row_fits = Q4Row(x, cols, out, matrix.block_scale.data() + row * (cols / kBlock));
        break;
    }
    if (!row_fits) fits = false;
  };
  pool.ParallelFor(rows, convert);
  if (!fits) {
    return Status(StatusCode::kInvalidArgument,
                  "a predictor weight is not finite or too large for its type");
  }
  return matrix;
}

void Dequantise(const PredictorMatrix& matrix, float* values, ThreadPool& pool) {
  const int64_t cols = matrix.cols;
  const int64_t row_bytes = ValueBytes(matrix.type, cols);
  auto widen = [&](int64_t row, int) {
    const std::byte* const from = matrix.values.data() + row * row_bytes;
    float* const out = values + row * cols;
    const auto bits = [&](int64_t c) {
      uint16_t half = 0;
      std::memcpy(&half, from + c * 2, 2);
      return half;
    };
    const auto scale = [&](int64_t c) {
      return F16ToF32(matrix.block_scale[static_cast<size_t>(row * (cols / kBlock) + c / kBlock)]);
    };
    for (int64_t c = 0; c < cols; ++c) {
      switch (matrix.type) {
        case PredictorType::kF32: std::memcpy(out + c, from + c * 4, 4); break;
        case PredictorType::kF16: out[c] = F16ToF32(bits(c)); break;
        case PredictorType::kBF16: out[c] = BF16ToF32(bits(c)); break;
        case PredictorType::kI8:
          out[c] = matrix.scale[static_cast<size_t>(row)] *
                   static_cast<float>(static_cast<int8_t>(from[c]));
          break;
        case PredictorType::kQ8_0:
          out[c] = scale(c) * static_cast<float>(static_cast<int8_t>(from[c]));
          break;
        case PredictorType::kQ4_0: {
          const int64_t i = c % kBlock;
          const auto pair = static_cast<unsigned>(from[c / kBlock * 16 + i % 16]);
          out[c] = scale(c) * static_cast<float>(static_cast<int>(i < 16 ? pair & 15 : pair >> 4) - 8);
          break;
        }
      }
    }
  };
  pool.ParallelFor(matrix.rows, widen);
}

}  // namespace thermocline
