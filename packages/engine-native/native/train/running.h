// What a long calculation needs to be a good guest: a way to stop it, and someone to tell.
#pragma once

#include <atomic>
#include <functional>

#include "util/status.h"

namespace thermocline {

struct Running {
  const std::atomic<bool>* cancel = nullptr;        // may be null; asked between batches
  std::function<void(double fraction)> progress;    // may be empty; 0 to 1, from the caller's thread

  Status Report(double fraction) const {
    if (cancel != nullptr && *cancel) return Status(StatusCode::kAborted, "the call was aborted");
    if (progress) progress(fraction);
    return Status::Ok();
  }
  // A part of the work, which spans [begin, end] of the whole.
  Running Part(double begin, double end) const {
    Running part{cancel, nullptr};
    if (progress) {
      part.progress = [all = progress, begin, end](double fraction) {
        all(begin + (end - begin) * fraction);
      };
    }
    return part;
  }
};

}  // namespace thermocline
