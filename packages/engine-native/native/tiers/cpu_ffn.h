// The arithmetic of CpuTier: parts in, partial sums out, with the working memory for it.
//
// A neuron's position is its place in the list it was loaded by. Positions are cut into at most 32
// lanes of neighbours. A lane sums its neurons in ascending order and lanes are added in order: the
// bits depend neither on threads nor on which neurons were skipped or listed nor on the batch.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/kernels.h"
#include "tiers/accountant.h"
#include "tiers/cpu_part.h"
#include "util/status.h"
#include "util/thread_pool.h"

namespace thermocline {

class CpuFfn {
 public:
  // `pool` and `kernels` outlive it. At most max_tokens per run.
  CpuFfn(ThreadPool& pool, const Kernels& kernels, int64_t max_tokens)
      : pool_(pool), kernels_(kernels), max_tokens_(max_tokens) {}

  // Bytes of working memory for parts of up to `neurons`.
  static uint64_t ScratchBytes(int64_t neurons, int64_t d_model, int64_t max_tokens);
  // Makes room for such parts. kOutOfMemory, and then there is room for none.
  Status Grow(int64_t neurons, int64_t d_model, Accountant& accountant);

  // Carries out part.work and adds the partial sum to y. REQUIRES: room for the part.
  void Run(const CpuPart& part, TensorView y, FfnOutcome* outcome);

 private:
  struct Counts {
    uint64_t bytes = 0;
    uint64_t fired = 0;
    uint64_t computed = 0;
  };
  struct Scratch {
    int64_t neurons = 0, d_model = 0;
    std::vector<float> first, second;       // [max_tokens][neurons]
    std::vector<float> sums;                // [max(lanes, max_tokens)][d_model]
    std::vector<uint32_t> positions, rows;  // [lanes][per lane]
    std::vector<int64_t> counts;            // [lanes] of positions
    // Batches: bit i of a chunk's mask is its i-th position.
    std::vector<uint64_t> masks;            // [chunks][max_tokens]
    std::vector<uint64_t> active;           // [chunks] that any token adds
    std::vector<uint32_t> fired, computed;  // [chunks][max_tokens]
    Reservation reservation;
  };

  // One token: a lane goes from its first rows to its partial sum without a pause.
  void RunToken(const CpuPart& part, TensorView y, FfnOutcome* outcome);
  void DealList(const CpuPart& part);
  Counts RunLane(const CpuPart& part, int64_t lane);
  // Computes the first values of a lane's candidates and keeps, in order, those that go on.
  int64_t RunFirst(const CpuPart& part, int64_t lane, Counts& counts);
  // Adds the sums of all lanes to y, in order.
  void AddLanes(const CpuPart& part, float* y);
  int64_t Keep(const CpuPart& part, const uint32_t* from, int64_t n, float* h, uint32_t* kept);
  int64_t RunActivation(const CpuPart& part, uint32_t* positions, int64_t n, Counts& counts);
  void CopyTokenH(const CpuPart& part);

  // Several tokens: rows in chunks, then columns in chunks.
  void RunBatch(const CpuPart& part, TensorView y, FfnOutcome* outcome);
  void MaskLists(const CpuPart& part, int64_t n_chunks);
  uint64_t RunRows(const CpuPart& part, int64_t chunk);
  uint64_t KeepMask(const CpuPart& part, int64_t begin, int64_t n, uint64_t mask,
                    const float* values) const;
  void RunColumns(const CpuPart& part, int64_t chunk);

  // Notes how many positions a lane has and finds their down rows.
  void SetLaneCount(const CpuPart& part, int64_t lane, int64_t count);
  uint32_t* LanePositions(const CpuPart& part, int64_t lane) {
    return scratch_.positions.data() + lane * LaneCapacity(part.n);
  }
  NeuronList LaneList(const CpuPart& part, int64_t lane) const;
  static uint64_t DownBytes(const CpuPart& part, NeuronList list);

  ThreadPool& pool_;
  const Kernels& kernels_;
  const int64_t max_tokens_;
  Scratch scratch_;
};

}  // namespace thermocline
