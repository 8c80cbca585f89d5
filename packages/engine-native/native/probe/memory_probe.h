// What memory and threads of this machine really do, measured: reading long runs, reading
// scattered blocks, and handing work to the engine's threads and back.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

#include "util/huge_buffer.h"
#include "util/status.h"

namespace thermocline {

// Reads from a buffer that is larger than the caches. The best of several rounds is kept,
// because other programs only ever slow one down.
class MemoryProbe {
 public:
  // kInvalidArgument below 1 MiB; kOutOfMemory. `cancel` may be null.
  static Result<MemoryProbe> Create(uint64_t buffer_bytes, const std::atomic<bool>* cancel);

  // Bytes per second over all threads, of the fastest loop there is. kAborted when cancelled.
  Result<double> SequentialRead(int threads) const;

  // A tenth of the blocks, in ascending order with irregular gaps and a prefetch of blocks to
  // come: how the sparse kernels read the neurons that fire.
  Result<double> ScatteredRead(int threads, uint64_t block_bytes) const;

  // Whether the buffer lies in huge pages (nine tenths of it); none where the system does not say.
  std::optional<bool> OnHugePages() const;

 private:
  MemoryProbe(HugeBuffer buffer, const std::atomic<bool>* cancel)
      : buffer_(std::move(buffer)), cancel_(cancel) {}

  HugeBuffer buffer_;
  const std::atomic<bool>* cancel_;
};

// Median time to call all threads of a pool that is awake together and have them back, seconds.
double MeasureThreadSync(int threads);

}  // namespace thermocline
