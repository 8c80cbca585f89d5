// What the drive under a folder does when the system's cache is left out.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "util/status.h"

namespace thermocline {

struct DriveRates {
  double sequential = 0;  // bytes per second, 1 MiB reads
  std::vector<std::pair<uint64_t, double>> random;  // block bytes, bytes per second
  double latency_seconds = 0;  // of one 4 KiB read at a time
};

// Writes a file of `file_bytes` into `folder` (without a name as soon as it is open, so that
// nothing is left behind) and reads it back past the cache, at depth 32 except for the latency.
// Takes about two seconds.
// Errors: kIo with the reason when the folder cannot be written or its file system does not read
// past its cache; kInvalidArgument below 16 MiB; kAborted. `cancel` may be null.
Result<DriveRates> MeasureDrive(const std::string& folder, uint64_t file_bytes,
                                const std::atomic<bool>* cancel);

}  // namespace thermocline
