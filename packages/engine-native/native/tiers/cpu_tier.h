// Neurons in system memory, computed by the CPU.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backends/kernels.h"
#include "tiers/accountant.h"
#include "tiers/cpu_ffn.h"
#include "tiers/cpu_part.h"
#include "tiers/ffn_tier.h"
#include "util/page_size.h"
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
  static uint64_t ScratchBytes(int64_t neurons, int64_t d_model, int64_t max_tokens) {
    return CpuFfn::ScratchBytes(neurons, d_model, max_tokens);
  }

  Result<FfnHandle> Load(const FfnBlockSource& source, std::span<const uint32_t> neurons,
                         LoadList& reads) override;
  void Unload(FfnHandle handle) override;

  // Where the weights are.
  std::vector<MemoryRange> Memory() const;

  // Only notes the work: it is done in Finish, by the calling thread and the pool, while tiers
  // with a device of their own run beside it.
  Status Submit(FfnHandle handle, const FfnWork& work) override;
  Status Finish(FfnHandle handle, TensorView y, FfnOutcome* outcome) override;

 private:
  static Status CheckDown(const FfnBlockSource& source);

  CpuFfn ffn_;
  const std::shared_ptr<Accountant> accountant_;
  const int64_t max_tokens_;
  const Tier tier_;
  std::vector<CpuPart> parts_;
};

}  // namespace thermocline
