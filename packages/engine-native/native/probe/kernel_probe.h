// One kernel at work on more memory than the caches hold, for measuring how near it comes to what
// the machine can do: bytes against the fastest loop that only reads, operations against the
// fastest that only multiplies and adds.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backends/kernels.h"
#include "util/status.h"

namespace thermocline {

struct KernelProbeOptions {
  std::string kernel;  // a name of ListKernelProbes
  DType type = DType::kF32;
  int64_t tokens = 1;        // of `gemm` and `down-batch`; of `attention`: queries, up to 12
  int threads = 1;
  const Kernels* kernels = nullptr;  // null: the best set
  uint64_t working_set = uint64_t{256} << 20;
};

// What one pass did.
struct KernelPass {
  uint64_t bytes = 0;       // read, once each
  uint64_t operations = 0;  // a multiplication and an addition are two
  double seconds = 0;
};

struct KernelProbeInfo {
  const char* name;
  const char* about;
  const char* roof;  // "bytes" against reading, "operations" against multiplying; "" for a roof
  bool typed;        // by weight type
  bool batched;      // by tokens
};

// All that this processor can run, roofs first.
const std::vector<KernelProbeInfo>& ListKernelProbes();

class KernelProbe {
 public:
  // kInvalidArgument: no such kernel, a type it does not take, counts out of range; kOutOfMemory.
  static Result<KernelProbe> Create(const KernelProbeOptions& options);
  KernelProbe(KernelProbe&&) noexcept;
  ~KernelProbe();

  // One pass over the working set. One caller at a time. Passes over a tenth of the rows take
  // other rows each time, so that none are in a cache.
  KernelPass Run();

  struct Work;

 private:
  explicit KernelProbe(std::unique_ptr<Work> work);
  std::unique_ptr<Work> work_;
};

}  // namespace thermocline
