// What all measurements share: a clock, and how they say that they were told to stop.
#pragma once

#include <chrono>

#include "util/status.h"

namespace thermocline {

using Clock = std::chrono::steady_clock;

inline double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

inline Status AbortedStatus() {
  return Status(StatusCode::kAborted, "the measurement was aborted");
}

}  // namespace thermocline
