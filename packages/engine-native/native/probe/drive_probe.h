// What the drive under a folder does when the system's cache is left out.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "util/status.h"

namespace thermocline {

struct DriveRate {
  uint64_t block_bytes = 0;
  int depth = 0;  // reads under way at a time
  double bytes_per_second = 0;
};

struct DriveRates {
  double sequential = 0;          // bytes per second that last, 1 MiB reads, eight at a time
  std::vector<DriveRate> random;  // by block, then by depth, smallest first
  double latency_seconds = 0;     // of one 4 KiB read at a time, median
};

struct DriveProbeOptions {
  std::string folder;
  uint64_t file_bytes = 256U << 20;  // rounded to MiB; 16 MiB at least
  double entry_seconds = 0.1;        // per entry of `random`
  const std::atomic<bool>* cancel = nullptr;      // may be null
  std::function<void(double fraction)> progress;  // may be empty
};

// Writes a test file (see TestFile) and reads it back, a thread per read that is to be under way.
// About six seconds.
// Errors: kIo with the reason when that cannot be done here; kInvalidArgument; kAborted.
Result<DriveRates> MeasureDrive(const DriveProbeOptions& options);

}  // namespace thermocline
