#include "sparsity/predictor.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "backends/layout.h"

namespace thermocline {
namespace {

using Kind = LayerPredictor::Kind;

constexpr int64_t kBlock = 32;               // columns that share a scale
constexpr int64_t kChunkBytes = 128 << 10;   // weights per task for one token
constexpr int64_t kBatchRows = 32;           // rows per task for several
constexpr int64_t kMaxSide = int64_t{1} << 30;  // of a matrix, so that its bytes cannot overflow
constexpr int64_t kSignColumns = 64;         // signs in a word

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

DType TypeOf(PredictorType type) {
  switch (type) {
    case PredictorType::kF32:
    case PredictorType::kI8: return DType::kF32;
    case PredictorType::kF16: return DType::kF16;
    case PredictorType::kBF16: return DType::kBF16;
    case PredictorType::kQ8_0: return DType::kQ8_0;
    case PredictorType::kQ4_0: return DType::kQ4_0;
  }
  return DType::kF32;
}

uint64_t MatrixBytes(const PredictorMatrix& matrix) {
  const auto elements = static_cast<uint64_t>(matrix.rows) * static_cast<uint64_t>(matrix.cols);
  const DType type = TypeOf(matrix.type);
  return elements / static_cast<uint64_t>(BlockElements(type)) *
         static_cast<uint64_t>(BlockBytes(type));
}

Status Misfit(const std::string& what) {
  return Status(StatusCode::kInvalidArgument, "a predictor does not fit its layer: " + what);
}

// Whether the arrays of a matrix have the lengths that its shape and type ask for.
Status CheckMatrix(const PredictorMatrix& matrix, const char* name, int64_t rows, int64_t cols) {
  const std::string shape = std::to_string(matrix.rows) + " x " + std::to_string(matrix.cols);
  if (matrix.rows != rows || matrix.cols != cols || rows < 1 || cols < 1 || rows > kMaxSide ||
      cols > kMaxSide) {
    return Misfit(std::string(name) + " is " + shape + ", not " + std::to_string(rows) + " x " +
                  std::to_string(cols));
  }
  const auto elements = static_cast<size_t>(rows * cols);
  const bool in_blocks = BlockElements(TypeOf(matrix.type)) > 1;
  if (in_blocks && cols % kBlock != 0) {
    return Misfit(std::string(name) + " is " + shape + " in blocks of 32 columns");
  }
  size_t bytes = elements;
  if (matrix.type == PredictorType::kF32) bytes = 4 * elements;
  if (matrix.type == PredictorType::kF16 || matrix.type == PredictorType::kBF16) {
    bytes = 2 * elements;
  }
  if (matrix.type == PredictorType::kQ4_0) bytes = elements / 2;
  const size_t row_scales = matrix.type == PredictorType::kI8 ? static_cast<size_t>(rows) : 0;
  const size_t block_scales = in_blocks ? elements / static_cast<size_t>(kBlock) : 0;
  if (matrix.values.size() == bytes && matrix.scale.size() == row_scales &&
      matrix.block_scale.size() == block_scales) {
    return Status::Ok();
  }
  return Misfit(std::string(name) + " of " + shape + " has " +
                std::to_string(matrix.values.size()) + " bytes and " +
                std::to_string(matrix.scale.size() + matrix.block_scale.size()) + " scales");
}

// A row as kernels read it, by way of what a model file would hold.
void PackRow(const PredictorMatrix& from, int64_t row, std::byte* out) {
  const int64_t bytes = from.type == PredictorType::kQ8_0 ? kBlock : kBlock / 2;
  const int64_t blocks = from.cols / kBlock;
  for (int64_t b = 0; b < blocks; ++b) {
    std::byte* const block = out + b * (2 + bytes);
    const auto at = static_cast<size_t>(row * blocks + b);
    std::memcpy(block, &from.block_scale[at], 2);
    std::memcpy(block + 2, from.values.data() + at * static_cast<size_t>(bytes),
                static_cast<size_t>(bytes));
  }
  PackRows(TypeOf(from.type), out, 1, from.cols, out);
}

void WidenRow(const PredictorMatrix& from, int64_t row, std::byte* out) {
  const float scale = from.scale[static_cast<size_t>(row)];
  for (int64_t c = 0; c < from.cols; ++c) {
    const auto quant = static_cast<int8_t>(from.values[static_cast<size_t>(row * from.cols + c)]);
    const float value = scale * static_cast<float>(quant);
    std::memcpy(out + 4 * c, &value, sizeof value);
  }
}

// Rows per task: enough to be worth a thread's while.
int64_t RowsPerTask(int64_t row_bytes, int64_t n_tokens) {
  if (n_tokens > 1) return kBatchRows;
  return std::max<int64_t>(8, kChunkBytes / std::max<int64_t>(1, row_bytes) / 8 * 8);
}

template <typename Task>
void ForRows(ThreadPool& pool, int64_t rows, int64_t rows_per_task, const Task& task) {
  auto chunk_task = [&](int64_t chunk, int) {
    const int64_t begin = chunk * rows_per_task;
    task(begin, std::min(rows_per_task, rows - begin));
  };
  pool.ParallelFor(CeilDiv(rows, rows_per_task), chunk_task);
}

}  // namespace

Status Predictor::Check(const LayerPredictor& from, int64_t d_model, int64_t n_ff) {
  if (from.kind == Kind::kTrained || from.kind == Kind::kFactorised) {
    RETURN_IF_ERROR(CheckMatrix(from.down, "down", from.down.rows, d_model));
    return CheckMatrix(from.up, "up", n_ff, from.down.rows);
  }
  if (from.kind != Kind::kSigns) return Misfit("its kind has no scores of its own");
  const auto bytes = static_cast<size_t>(n_ff * CeilDiv(d_model, 8));
  if (from.signs.size() != bytes) {
    return Misfit("it has " + std::to_string(from.signs.size()) + " bytes of signs, not " +
                  std::to_string(bytes));
  }
  return HasStraySigns(from.signs, d_model) ? Misfit("a sign is of no column") : Status::Ok();
}

uint64_t Predictor::PlannedBytes(const LayerPredictor& from, int64_t d_model, int64_t n_ff,
                                 int64_t n_tokens) {
  const auto tokens = static_cast<uint64_t>(std::min(n_tokens, kScoredTokens));
  if (from.kind == Kind::kSigns) {
    const auto rows = static_cast<uint64_t>(n_ff) + tokens;
    return rows * static_cast<uint64_t>(8 * CeilDiv(d_model, kSignColumns));
  }
  if (from.kind != Kind::kTrained && from.kind != Kind::kFactorised) return 0;
  const auto rank = static_cast<uint64_t>(from.down.rows);
  const uint64_t widest = std::max(static_cast<uint64_t>(d_model), rank);
  return MatrixBytes(from.down) + MatrixBytes(from.up) +
         tokens * (4 * rank + widest + 12 * (widest / static_cast<uint64_t>(kBlock)));
}

Result<Predictor> Predictor::Create(const LayerPredictor& from, int64_t d_model, int64_t n_ff) {
  RETURN_IF_ERROR(Check(from, d_model, n_ff));
  Predictor predictor;
  predictor.kind_ = from.kind;
  predictor.d_model_ = d_model;
  predictor.n_ff_ = n_ff;
  if (from.kind == Kind::kSigns) {
    RETURN_IF_ERROR(predictor.LoadSigns(from.signs));
    return predictor;
  }
  ASSIGN_OR_RETURN(predictor.down_, Load(from.down));
  ASSIGN_OR_RETURN(predictor.up_, Load(from.up));
  predictor.bytes_ = MatrixBytes(from.down) + MatrixBytes(from.up);
  return predictor;
}

Result<Predictor::Matrix> Predictor::Load(const PredictorMatrix& from) {
  Matrix matrix;
  const DType type = TypeOf(from.type);
  const int64_t row_bytes = RowBytes(type, from.cols);
  ASSIGN_OR_RETURN(matrix.memory,
                   HugeBuffer::Allocate(static_cast<size_t>(from.rows * row_bytes)));
  matrix.rows = MakeRowMatrix(type, from.rows, from.cols, matrix.memory.data());
  for (int64_t row = 0; row < from.rows; ++row) {
    std::byte* const out = matrix.memory.data() + row * row_bytes;
    if (from.type == PredictorType::kI8) {
      WidenRow(from, row, out);
    } else if (BlockElements(type) > 1) {
      PackRow(from, row, out);
    } else {
      std::memcpy(out, from.values.data() + row * row_bytes, static_cast<size_t>(row_bytes));
    }
  }
  return matrix;
}

Status Predictor::LoadSigns(const std::vector<uint8_t>& signs) {
  const int64_t from_bytes = CeilDiv(d_model_, 8);
  sign_words_ = CeilDiv(d_model_, kSignColumns);
  bytes_ = static_cast<uint64_t>(n_ff_ * sign_words_ * 8);
  ASSIGN_OR_RETURN(signs_, HugeBuffer::Allocate(static_cast<size_t>(bytes_)));
  auto* const words = reinterpret_cast<uint64_t*>(signs_.data());
  for (int64_t row = 0; row < n_ff_; ++row) {
    for (int64_t b = 0; b < from_bytes; ++b) {
      const uint64_t byte = signs[static_cast<size_t>(row * from_bytes + b)];
      words[row * sign_words_ + b / 8] |= byte << (8 * (b % 8));
    }
  }
  return Status::Ok();
}

void Predictor::Score(const float* x, int64_t n_tokens, const Kernels& kernels, ThreadPool& pool,
                      float* scores) {
  for (int64_t t = 0; t < n_tokens; t += kScoredTokens) {
    const int64_t n = std::min(kScoredTokens, n_tokens - t);
    if (kind_ == Kind::kSigns) {
      ScoreSigns(x + t * d_model_, n, kernels, pool, scores + t * n_ff_);
    } else {
      ScoreLowRank(x + t * d_model_, n, kernels, pool, scores + t * n_ff_);
    }
  }
}

void Predictor::ScoreLowRank(const float* x, int64_t n_tokens, const Kernels& kernels,
                             ThreadPool& pool, float* scores) {
  const int64_t n_hidden = n_tokens * down_.rows.rows;
  if (static_cast<int64_t>(hidden_.size()) < n_hidden) {
    hidden_.resize(static_cast<size_t>(n_hidden));
  }
  Multiply(down_, x, n_tokens, kernels, pool, quants_, hidden_.data());
  if (kind_ == Kind::kTrained) {
    kernels.activate(ActivationFunction::kRelu, hidden_.data(), nullptr, n_hidden, hidden_.data());
  }
  Multiply(up_, hidden_.data(), n_tokens, kernels, pool, quants_, scores);
}

void Predictor::Multiply(const Matrix& matrix, const float* x, int64_t n_tokens,
                         const Kernels& kernels, ThreadPool& pool, Quants& quants, float* y) {
  const RowMatrix& w = matrix.rows;
  Activations input;
  input.x = x;
  input.x_stride = w.cols;
  input.n_tokens = n_tokens;
  input.cols = w.cols;
  if (BlockElements(w.type) > 1) {
    const auto n = static_cast<size_t>(n_tokens * w.cols);
    const size_t blocks = n / static_cast<size_t>(kBlock);
    if (quants.q.size() < n) quants.q.resize(n);
    if (quants.scale.size() < blocks) quants.scale.resize(blocks);
    if (quants.sum.size() < blocks) quants.sum.resize(blocks);
    if (quants.first.size() < blocks) quants.first.resize(blocks);
    for (int64_t t = 0; t < n_tokens; ++t) {
      const int64_t block = t * (w.cols / kBlock);
      kernels.quantize(x + t * w.cols, w.cols, quants.q.data() + t * w.cols,
                       quants.scale.data() + block, quants.sum.data() + block,
                       quants.first.data() + block);
    }
    input.q = quants.q.data();
    input.q_scale = quants.scale.data();
    input.q_sum = quants.sum.data();
    input.q_first = quants.first.data();
  }
  ForRows(pool, w.rows, RowsPerTask(w.row_bytes, n_tokens), [&](int64_t begin, int64_t n) {
    kernels.matmul(w, {nullptr, begin, n}, input, y, w.rows);
  });
}

void Predictor::ScoreSigns(const float* x, int64_t n_tokens, const Kernels& kernels,
                           ThreadPool& pool, float* scores) {
  input_signs_.assign(static_cast<size_t>(n_tokens * sign_words_), 0);
  for (int64_t t = 0; t < n_tokens; ++t) {
    for (int64_t c = 0; c < d_model_; ++c) {
      const uint64_t negative = x[t * d_model_ + c] < 0 ? 1 : 0;
      input_signs_[static_cast<size_t>(t * sign_words_ + c / kSignColumns)] |=
          negative << (c % kSignColumns);
    }
  }
  const auto* const rows = reinterpret_cast<const uint64_t*>(signs_.data());
  ForRows(pool, n_ff_, RowsPerTask(8 * sign_words_, n_tokens), [&](int64_t begin, int64_t n) {
    for (int64_t t = 0; t < n_tokens; ++t) {
      kernels.sign_scores(rows + begin * sign_words_, n, sign_words_, d_model_,
                          input_signs_.data() + t * sign_words_, scores + t * n_ff_ + begin);
    }
  });
}

}  // namespace thermocline
