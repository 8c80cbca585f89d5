// What predictors learn from: the hidden states of one layer, the neurons that fired there
// and how strongly, as packages/predictor caches them on disk. Kept in memory as compact as on
// disk (F16 states, one bit per neuron, F16 values of those that fired) and expanded batch by
// batch, so that 100,000 tokens of a 7B layer take about 1.2 GB.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "backends/kernels.h"
#include "util/f16.h"
#include "util/huge_buffer.h"
#include "util/status.h"
#include "util/thread_pool.h"

namespace thermocline {

// Immutable after Open, so safe from several threads.
class SampleReader {
 public:
  // Reads the shards of one layer, in the order given. No number is believed before it is
  // checked: kArtifactCorrupt (naming file, row and what is wrong), kArtifactFormat,
  // kArtifactVersion, kArtifactModelMismatch when the files are not of one model and layer,
  // kInvalidArgument without files, kOutOfMemory with the numbers before anything is allocated.
  static Result<SampleReader> Open(const std::vector<std::string>& files);

  int64_t rows() const { return rows_; }
  int64_t d_model() const { return d_model_; }
  int64_t n_ff() const { return n_ff_; }
  int64_t layer() const { return layer_; }
  const std::string& fingerprint() const { return fingerprint_; }
  uint64_t bytes() const { return x_.size() + fires_.size() + values_.size() + offsets_.size() * 8; }

  // Samples rows[i] -> x [n][d_model]; h [n][n_ff]: |h| of the neurons that fired, else 0. A
  // neuron that fired with |h| below what F16 holds gets kFaintest, so that `h > 0` is `fires`.
  // Either may be null. REQUIRES: every row < rows().
  static constexpr float kFaintest = 0x1p-25F;
  void Expand(std::span<const uint32_t> rows, float* x, float* h, ThreadPool& pool) const;

  // The same of one row as it is kept. Bit n % 8 of fires[n / 8]: neuron n fires, bits beyond
  // n_ff are zero; values: |h| of those that fire, by ascending id, F16.
  const uint16_t* x(int64_t row) const;                        // [d_model] F16
  std::span<const uint8_t> fires(int64_t row) const;           // [ceil(n_ff/8)]
  std::span<const uint16_t> values(int64_t row) const;         // [neurons that fire]
  uint64_t firing() const { return offsets_.back(); }          // over all rows

  // each(neuron, |h|) for what fires in a row, by ascending id; |h| as Expand has it.
  template <typename Each>
  void ForEachFiring(int64_t row, Each each) const {
    const std::span<const uint8_t> mask = fires(row);
    const uint16_t* value = values(row).data();
    for (size_t b = 0; b < mask.size(); ++b) {
      for (uint32_t bits = mask[b]; bits != 0; bits &= bits - 1) {
        const float h = F16ToF32(*value++);
        each(b * 8 + static_cast<size_t>(std::countr_zero(bits)), h > 0 ? h : kFaintest);
      }
    }
  }

 private:
  struct Shard;
  Status ReadShards(const std::vector<Shard>& shards);
  void ExpandRow(int64_t row, float* x, float* h) const;

  int64_t rows_ = 0;
  int64_t d_model_ = 0;
  int64_t n_ff_ = 0;
  int64_t layer_ = 0;
  std::string fingerprint_;
  HugeBuffer x_;                   // [rows][d_model] F16
  HugeBuffer fires_;               // [rows][ceil(n_ff/8)]
  HugeBuffer values_;              // [firing] F16
  std::vector<uint64_t> offsets_;  // [rows + 1] of each row's values
  const Kernels* kernels_ = nullptr;
};

}  // namespace thermocline
