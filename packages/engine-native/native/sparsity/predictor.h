// Scores the neurons of one layer from a hidden state: the higher, the likelier to fire. The same
// bits come out for any number of threads and in any batch.
#pragma once

#include <cstdint>
#include <vector>

#include "backends/kernels.h"
#include "io/artifact_reader.h"
#include "util/aligned_vector.h"
#include "util/huge_buffer.h"
#include "util/status.h"
#include "util/thread_pool.h"

namespace thermocline {

// Tokens scored in one pass over the weights; more are taken in turn.
constexpr int64_t kScoredTokens = 128;

// Immutable after Create but for its working memory: one caller at a time.
class Predictor {
 public:
  // Whether matrices or signs are there, have the layer's shapes and as many bytes as those ask
  // for; kInvalidArgument. Also for other kinds than trained, factorised and signs: they have
  // nothing to score with.
  static Status Check(const LayerPredictor& from, int64_t d_model, int64_t n_ff);
  // Checks, and copies the weights to where kernels read them; I8 is widened to F32. kOutOfMemory.
  static Result<Predictor> Create(const LayerPredictor& from, int64_t d_model, int64_t n_ff);
  // Bytes that it will hold, the working memory of scoring at most n_tokens at once included; 0 for
  // kinds without scores. REQUIRES: Check passed, or there are no scores.
  static uint64_t PlannedBytes(const LayerPredictor& from, int64_t d_model, int64_t n_ff,
                               int64_t n_tokens);

  // x [n_tokens][d_model] -> scores [n_tokens][n_ff]. Sees to it itself that x and what lies between
  // the matrices are quantised where the weights ask for that.
  void Score(const float* x, int64_t n_tokens, const Kernels& kernels, ThreadPool& pool,
             float* scores);

  // Bytes of weights: what one pass over them reads.
  uint64_t bytes() const { return bytes_; }
  // Passes that scoring so many tokens takes.
  static int64_t Passes(int64_t n_tokens) {
    return (n_tokens + kScoredTokens - 1) / kScoredTokens;
  }

 private:
  // Rows that scores come from, one of a product or one of signs.
  struct Matrix {
    HugeBuffer memory;
    RowMatrix rows;
  };
  // The 8-bit form of a product's input, [n_tokens][cols]: Activations.
  struct Quants {
    AlignedVector<int8_t> q;
    AlignedVector<float> scale;
    AlignedVector<int32_t> sum, first;
  };

  static Result<Matrix> Load(const PredictorMatrix& from);
  Status LoadSigns(const std::vector<uint8_t>& signs);
  static void Multiply(const Matrix& matrix, const float* x, int64_t n_tokens,
                       const Kernels& kernels, ThreadPool& pool, Quants& quants, float* y);
  void ScoreLowRank(const float* x, int64_t n_tokens, const Kernels& kernels, ThreadPool& pool,
                    float* scores);
  void ScoreSigns(const float* x, int64_t n_tokens, const Kernels& kernels, ThreadPool& pool,
                  float* scores);

  LayerPredictor::Kind kind_ = LayerPredictor::Kind::kTrained;
  int64_t d_model_ = 0;
  int64_t n_ff_ = 0;
  uint64_t bytes_ = 0;
  Matrix down_, up_;        // [rank][d_model], [n_ff][rank]
  HugeBuffer signs_;        // u64 [n_ff][sign_words]: bit b of word w is column 64 w + b
  int64_t sign_words_ = 0;
  // Working memory.
  std::vector<float> hidden_;          // [tokens at once][rank]
  Quants quants_;
  std::vector<uint64_t> input_signs_;  // [tokens at once][sign_words]
};

}  // namespace thermocline
