// Random matrices and inputs for the backend suite, in file layout and packed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "backends/kernels.h"
#include "backends/layout.h"
#include "backends/neuron_layout.h"
#include "backends/suite_k_quants.h"
#include "util/f16.h"
#include "util/testing.h"

namespace thermocline::suite {

inline constexpr DType kTypes[] = {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0,
                                   DType::kQ4_0, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

// Whether to go through a part of the shapes only: the reference takes longest and has no code of
// its own for each.
inline bool FewShapes(const Kernels& kernels) {
  return testing::IsSlow() && &kernels == &ReferenceKernels();
}

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  float Normal() { return normal_(engine_); }
  int64_t Below(int64_t n) { return static_cast<int64_t>(engine_() % static_cast<uint64_t>(n)); }
  std::vector<float> Normals(int64_t n) {
    std::vector<float> values(static_cast<size_t>(n));
    for (float& v : values) v = Normal();
    return values;
  }

 private:
  std::mt19937_64 engine_;
  std::normal_distribution<float> normal_;
};

inline void Put16(std::byte* p, uint16_t value) { std::memcpy(p, &value, sizeof value); }

// Rows of a weight tensor as model files hold them. Quants take all values, -128 included.
inline std::vector<std::byte> FileRows(DType type, int64_t rows, int64_t cols, Random& random) {
  std::vector<std::byte> bytes(static_cast<size_t>(rows * FileRowBytes(type, cols)));
  const int64_t n = rows * cols / BlockElements(type);
  for (int64_t i = 0; i < n; ++i) {
    std::byte* const p = bytes.data() + i * BlockBytes(type);
    const float value = random.Normal();
    switch (type) {
      case DType::kF32: std::memcpy(p, &value, sizeof value); break;
      case DType::kF16: Put16(p, F32ToF16(value)); break;
      case DType::kBF16: Put16(p, F32ToBF16(value)); break;
      case DType::kQ4_K:
      case DType::kQ5_K:
      case DType::kQ6_K: FillSuperblock(type, value * 0.01F, random, p); break;
      default:
        Put16(p, F32ToF16(value * 0.01F));  // negative scales too
        for (int64_t b = 2; b < BlockBytes(type); ++b) {
          p[b] = static_cast<std::byte>(random.Below(256));
        }
    }
  }
  return bytes;
}

// Element (row, col) of such rows, dequantised from the file layout on its own: the suite's
// independent word on what packed data mean.
inline double FileElement(DType type, const std::byte* rows, int64_t cols, int64_t row,
                          int64_t col) {
  const std::byte* const p = rows + row * FileRowBytes(type, cols) +
                             col / BlockElements(type) * BlockBytes(type);
  uint16_t half;
  std::memcpy(&half, p, sizeof half);
  const int64_t i = col % BlockElements(type);
  switch (type) {
    case DType::kQ4_K:
    case DType::kQ5_K:
    case DType::kQ6_K: return SuperblockElement(type, p, i);
    case DType::kF32: {
      float value;
      std::memcpy(&value, p, sizeof value);
      return static_cast<double>(value);
    }
    case DType::kF16: return static_cast<double>(F16ToF32(half));
    case DType::kBF16: return static_cast<double>(BF16ToF32(half));
    case DType::kQ8_0:
      return static_cast<double>(F16ToF32(half)) * static_cast<int8_t>(p[2 + i]);
    case DType::kQ4_0: {
      const int pair = std::to_integer<int>(p[2 + i % 16]);
      return static_cast<double>(F16ToF32(half)) * ((i < 16 ? pair & 15 : pair >> 4) - 8);
    }
  }
  return 0;
}

// A RowMatrix with its memory and the file rows it came from.
struct Rows {
  std::vector<std::byte> file, packed;
  RowMatrix matrix;

  Rows(DType type, int64_t rows, int64_t cols, Random& random)
      : file(FileRows(type, rows, cols, random)),
        packed(static_cast<size_t>(rows * RowBytes(type, cols))) {
    PackRows(type, file.data(), rows, cols, packed.data());
    matrix = MakeRowMatrix(type, rows, cols, packed.data());
  }
  double At(int64_t row, int64_t col) const {
    return FileElement(matrix.type, file.data(), matrix.cols, row, col);
  }
};

// The rows of a RowMatrix, or of a NeuronMatrix without shared scales, with others between them.
template <typename Matrix>
struct Apart {
  std::vector<std::byte> memory;
  Matrix matrix;

  explicit Apart(const Matrix& from) : matrix(from) {
    matrix.stride = from.row_bytes + 64;
    memory.assign(static_cast<size_t>(from.rows * matrix.stride), std::byte{0xFF});  // NaN in floats
    for (int64_t row = 0; row < from.rows; ++row) {
      std::copy_n(from.data + row * from.stride, from.row_bytes, memory.data() + row * matrix.stride);
    }
    matrix.data = memory.data();
  }
};

// A NeuronMatrix, packed from a tensor in pieces of uneven size: with shared scales from
// [d_model][n_ff], with own ones from [n_ff][d_model].
struct Neurons {
  std::vector<std::byte> file, packed;
  NeuronMatrix matrix;
  NeuronScales scales;

  Neurons(DType type, NeuronScales scales_, int64_t n_ff, int64_t d_model, Random& random)
      : packed(static_cast<size_t>(NeuronMatrixBytes(type, scales_, n_ff, d_model))),
        matrix(MakeNeuronMatrix(type, scales_, n_ff, d_model, packed.data())),
        scales(scales_) {
    if (scales == NeuronScales::kOwn) {
      file = FileRows(type, n_ff, d_model, random);
      for (int64_t row = 0; row < n_ff;) {
        const int64_t n = std::min<int64_t>(n_ff - row, 1 + random.Below(70));
        PackNeuronRows(type, file.data() + row * FileRowBytes(type, d_model), n, d_model,
                       packed.data() + row * matrix.row_bytes);
        row += n;
      }
      return;
    }
    file = FileRows(type, d_model, n_ff, random);
    const int64_t unit = BlockElements(type) == 1 ? 1 : kNeuronColumns;
    for (int64_t row = 0; row < d_model;) {
      const int64_t n = std::min<int64_t>(d_model - row, unit * (1 + random.Below(70)));
      PackNeurons(type, file.data() + row * FileRowBytes(type, n_ff), row, n, n_ff, nullptr, matrix,
                  packed.data());
      row += n;
    }
  }
  double At(int64_t neuron, int64_t col) const {
    return scales == NeuronScales::kOwn
               ? FileElement(matrix.type, file.data(), matrix.cols, neuron, col)
               : FileElement(matrix.type, file.data(), matrix.rows, col, neuron);
  }
  // The scale of a quantised weight.
  double ScaleAt(int64_t neuron, int64_t col) const {
    const bool own = scales == NeuronScales::kOwn;
    const int64_t row = own ? neuron : col, at = own ? col : neuron;
    const int64_t cols = own ? matrix.cols : matrix.rows;
    uint16_t half;
    std::memcpy(&half,
                file.data() + row * RowBytes(matrix.type, cols) + at / 32 * BlockBytes(matrix.type),
                sizeof half);
    return static_cast<double>(F16ToF32(half));
  }
};

// Where panels of 16 blocks keep column `col` of `cols` bytes: kernels.h in numbers.
inline int64_t InPanels(int64_t cols, int64_t col) {
  const int64_t panel = col / 512;
  const int64_t blocks = std::min<int64_t>(16, cols / 32 - 16 * panel);
  const int64_t lane = col / 32 % 16, i = col % 32;
  return panel * 512 + i / 4 * (4 * blocks) + 4 * lane + i % 4;
}

// Inputs with their 8-bit and BF16 forms, which a set makes itself.
struct Inputs {
  std::vector<float> x;
  std::vector<int8_t> q;
  std::vector<float> q_scale;
  std::vector<int32_t> q_sum, q_first;
  std::vector<uint16_t> bf16;
  Activations view;

  Inputs(const Kernels& kernels, bool quantized, int64_t n_tokens, int64_t cols, int64_t stride,
         Random& random)
      : x(random.Normals((n_tokens - 1) * stride + cols)) {
    view.x = x.data();
    view.x_stride = stride;
    view.n_tokens = n_tokens;
    view.cols = cols;
    if (quantized) Quantize(kernels);
  }
  // Makes the 8-bit form of x.
  void Quantize(const Kernels& kernels) {
    const int64_t cols = view.cols;
    q.resize(static_cast<size_t>(view.n_tokens * cols));
    q_scale.resize(static_cast<size_t>(view.n_tokens * (cols / 32)));
    q_sum.resize(q_scale.size());
    q_first.resize(q_scale.size());
    for (int64_t t = 0; t < view.n_tokens; ++t) {
      const int64_t block = t * (cols / 32);
      kernels.quantize(x.data() + t * view.x_stride, cols, q.data() + t * cols,
                       q_scale.data() + block, q_sum.data() + block, q_first.data() + block);
    }
    view.q = q.data();
    view.q_scale = q_scale.data();
    view.q_sum = q_sum.data();
    view.q_first = q_first.data();
  }
  // Makes the BF16 form of x.
  void Round(const Kernels& kernels) {
    const int64_t cols = view.cols;
    bf16.resize(static_cast<size_t>(view.n_tokens * cols));
    for (int64_t t = 0; t < view.n_tokens; ++t) {
      kernels.f32_to_bf16(x.data() + t * view.x_stride, cols, bf16.data() + t * cols);
    }
    view.bf16 = bf16.data();
  }
  // What the product sees of input `col` of token t.
  double At(int64_t t, int64_t col) const {
    if (view.bf16 != nullptr) {
      return static_cast<double>(BF16ToF32(bf16[static_cast<size_t>(t * view.cols + col)]));
    }
    if (view.q == nullptr) return static_cast<double>(x[static_cast<size_t>(t * view.x_stride + col)]);
    const auto block = static_cast<size_t>((t * view.cols + col) / 32);
    const auto at = static_cast<size_t>(t * view.cols + InPanels(view.cols, col));
    return static_cast<double>(q_scale[block]) * q[at];
  }
};

inline bool SameBits(float a, float b) { return std::memcmp(&a, &b, sizeof a) == 0; }

}  // namespace thermocline::suite
