// Hugging Face tensor names to the canonical ones (those of GGUF).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace thermocline {

// What becomes of a tensor: a canonical name, "" for one that carries nothing
// (a stored constant), nullopt for one that does not belong to the architecture.
std::optional<std::string> CanonicalTensorName(std::string_view arch, std::string_view name);

}  // namespace thermocline
