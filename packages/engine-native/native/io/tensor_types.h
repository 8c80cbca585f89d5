// The names and sizes of tensor element types in the containers we open, including
// those whose weights we cannot read: `inspect` lists them, errors name them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "util/dtype.h"

namespace thermocline {

struct FileTensorType {
  const char* name;             // as its format spells it: "Q5_K", "F8_E4M3"
  int64_t block_elements;       // elements per block, 1 for plain types
  int64_t block_bytes;
  std::optional<DType> dtype;   // set when we read it
};

// nullptr for a number that no known ggml version uses.
const FileTensorType* FindGgmlType(uint32_t id);

// nullptr for a name that safetensors does not define.
const FileTensorType* FindSafetensorsType(std::string_view name);

}  // namespace thermocline
