// The system's last word when small allocations fail, which no accountant foresees.
#pragma once

#include <new>
#include <string>
#include <system_error>

#include "util/status.h"

namespace thermocline {

// What `call`, which returns a Status, says; kOutOfMemory when the system refuses it memory or a
// thread.
template <typename Call>
Status CatchOutOfMemory(Call call) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "the system has no memory left");
  } catch (const std::system_error& error) {
    return Status(StatusCode::kOutOfMemory,
                  std::string("the system refuses another thread: ") + error.what());
  }
}

}  // namespace thermocline
