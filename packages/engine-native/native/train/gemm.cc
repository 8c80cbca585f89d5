#include "train/gemm.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

#include "backends/layout.h"
#include "backends/neuron_layout.h"

namespace thermocline {
namespace {

// The largest rectangle of c that is one chunk: what a thread reads is used often, and threads
// end together. Multiples of the register tiles of every kernel set.
constexpr int64_t kChunkRows = 96;
constexpr int64_t kChunkCols = 128;

int64_t Pieces(int64_t n, int64_t size) { return (n + size - 1) / size; }

RowMatrix Rows(MatrixView m) {
  return MakeRowMatrix(DType::kF32, m.rows, m.cols, reinterpret_cast<const std::byte*>(m.data));
}

// Runs body(row_begin, n_rows, col_begin, n_cols) for rectangles that cover [m][n].
template <typename Body>
void ForRectangles(int64_t m, int64_t n, ThreadPool& pool, const Body& body) {
  const int64_t across = Pieces(n, kChunkCols);
  auto chunk = [&](int64_t i, int) {
    const int64_t row = i / across * kChunkRows, col = i % across * kChunkCols;
    body(row, std::min(kChunkRows, m - row), col, std::min(kChunkCols, n - col));
  };
  pool.ParallelFor(Pieces(m, kChunkRows) * across, chunk);
}

}  // namespace

void Multiply(MatrixView a, MatrixView b_t, float* c, const Kernels& kernels, ThreadPool& pool) {
  const int64_t n = b_t.rows;
  Activations x;
  x.x = a.data;
  x.x_stride = a.cols;
  x.n_tokens = a.rows;
  x.cols = a.cols;
  ForRectangles(a.rows, n, pool, [&](int64_t row, int64_t n_rows, int64_t col, int64_t n_cols) {
    kernels.matmul(Rows(b_t), {nullptr, col, n_cols}, x.Tokens(row, n_rows), c + row * n, n);
  });
}

void MultiplyUntransposed(MatrixView a, MatrixView b, float* c, const Kernels& kernels,
                          ThreadPool& pool) {
  std::vector<uint32_t> all(static_cast<size_t>(b.rows));
  std::iota(all.begin(), all.end(), 0U);
  const NeuronMatrix w = MakeNeuronMatrix(DType::kF32, NeuronScales::kOwn, b.rows, b.cols,
                                          reinterpret_cast<const std::byte*>(b.data));
  const NeuronList list{all.data(), all.data(), b.rows};
  ForRectangles(a.rows, b.cols, pool,
                [&](int64_t row, int64_t n_rows, int64_t col, int64_t n_cols) {
                  float* const out = c + row * b.cols;
                  for (int64_t i = 0; i < n_rows; ++i) {
                    std::fill_n(out + i * b.cols + col, n_cols, 0.0F);
                  }
                  kernels.add_neurons(w, list, a.data + row * a.cols, a.cols, n_rows, col,
                                      col + n_cols, out, b.cols);
                });
}

void Transpose(MatrixView a, float* out, ThreadPool& pool) {
  constexpr int64_t kTile = 16;     // floats of a cache line: whole lines are written
  constexpr int64_t kStripe = 256;  // rows of out
  auto chunk = [&](int64_t i, int) {
    const int64_t stripe_end = std::min(a.cols, (i + 1) * kStripe);
    for (int64_t row = 0; row < a.rows; row += kTile) {
      const int64_t n_rows = std::min(kTile, a.rows - row);
      for (int64_t col = i * kStripe; col < stripe_end; ++col) {
        for (int64_t r = row; r < row + n_rows; ++r) {
          out[col * a.rows + r] = a.data[r * a.cols + col];
        }
      }
    }
  };
  pool.ParallelFor(Pieces(a.cols, kStripe), chunk);
}

}  // namespace thermocline
