// Neurons in system memory, computed by the CPU.
//
// A neuron's position is its place in the list it was loaded by, and its row here.
// Positions are dealt to a fixed number of lanes in blocks of 32, round robin. A lane
// sums its neurons in ascending order and lanes are added in order: the bits depend
// neither on threads nor on which neurons were skipped nor on the batch.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backends/kernels.h"
#include "tiers/accountant.h"
#include "tiers/ffn_tier.h"
#include "util/huge_buffer.h"
#include "util/thread_pool.h"

namespace thermocline {

class CpuTier : public FfnTier {
 public:
  // `pool` and `kernels` outlive the tier. At most max_tokens per work. `tier` is what the
  // accounts say: tests let a second CpuTier stand where another device would.
  CpuTier(ThreadPool& pool, const Kernels& kernels, std::shared_ptr<Accountant> accountant,
          int64_t max_tokens, Tier tier = Tier::kCpu);

  Tier tier() const override { return tier_; }
  uint64_t PlannedBytes(const FfnBlockSource& source, int64_t n_neurons) const override;
  // Bytes of working memory for parts of up to `neurons`; reserved by the first Load that needs it.
  static uint64_t ScratchBytes(int64_t neurons, int64_t d_model, int64_t max_tokens);

  Result<FfnHandle> Load(const FfnBlockSource& source,
                         std::span<const uint32_t> neurons) override;
  void Unload(FfnHandle handle) override;

  // Only notes the work: it is done in Finish, by the calling thread and the pool, while tiers
  // with a device of their own run beside it.
  Status Submit(FfnHandle handle, const FfnWork& work) override;
  Status Finish(FfnHandle handle, TensorView y, FfnOutcome* outcome) override;

 private:
  struct Part {
    bool loaded = false;
    bool gated = false;
    ActivationFunction activation = ActivationFunction::kSilu;
    int64_t n = 0;        // neurons held
    int64_t d_model = 0;
    RowMatrix gate, up;   // rows by position
    NeuronMatrix down;
    std::vector<uint32_t> down_row;  // position -> row of down; empty: the same
    std::vector<float> gate_bias, up_bias;  // by position; empty: none
    HugeBuffer memory;
    Reservation reservation;
    FfnWork work;

    // The matrix whose product decides what fires.
    const RowMatrix& first() const { return gated ? gate : up; }
    const std::vector<float>& first_bias() const { return gated ? gate_bias : up_bias; }
  };
  struct Scratch {
    int64_t neurons = 0, d_model = 0;
    std::vector<float> first, second;    // [max_tokens][neurons]
    std::vector<float> sums;             // [max(lanes, max_tokens)][d_model]
    std::vector<uint32_t> positions, rows;  // [lanes][per lane]
    std::vector<int64_t> counts;         // [lanes] of positions
    std::vector<uint8_t> active;         // [neurons]
    std::vector<uint32_t> fired;         // [chunks][max_tokens]
    Reservation reservation;
  };

  static Status CheckDown(const FfnBlockSource& source);
  Status Grow(int64_t neurons, int64_t d_model);
  void RunToken(const Part& part, TensorView y, FfnOutcome* outcome);
  void RunLane(const Part& part, int64_t lane, uint64_t* bytes, uint64_t* fired);
  void RunBatch(const Part& part, TensorView y, FfnOutcome* outcome);
  void RunRows(const Part& part, int64_t chunk, uint64_t* bytes);
  // Notes how many positions a lane has and finds their down rows.
  void SetLaneCount(const Part& part, int64_t lane, int64_t count);
  NeuronList LaneList(const Part& part, int64_t lane) const;
  uint64_t DownBytes(const Part& part, NeuronList list) const;

  ThreadPool& pool_;
  const Kernels& kernels_;
  const std::shared_ptr<Accountant> accountant_;
  const int64_t max_tokens_;
  const Tier tier_;
  std::vector<Part> parts_;
  Scratch scratch_;
};

}  // namespace thermocline
