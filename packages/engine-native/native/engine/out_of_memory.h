// The system's last word when small allocations fail, which no accountant foresees.
#pragma once

#include <new>

#include "util/status.h"

namespace thermocline {

// What `call`, which returns a Status, says; kOutOfMemory when it runs out of memory.
template <typename Call>
Status CatchOutOfMemory(Call call) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "the system has no memory left");
  }
}

}  // namespace thermocline
