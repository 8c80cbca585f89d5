// Changes to a file that keep enough of its structure to reach deep into a reader.
#pragma once

#include <string>
#include <vector>

#include "fuzz/random.h"

namespace thermocline::fuzz {

enum class FileKind { kGguf, kSafetensors, kJson };

// A copy of `bytes` with one to four changes. `others` are further files of any kind
// to splice from.
std::string Mutate(const std::string& bytes, FileKind kind, const std::vector<std::string>& others,
                   Random& random);

}  // namespace thermocline::fuzz
