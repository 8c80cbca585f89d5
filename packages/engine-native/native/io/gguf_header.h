// The header of a GGUF file: an index of its keys (values stay in the file and are
// read on request) and its tensor list. The format is described in
// docs/formats/gguf.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/file.h"
#include "io/model_file.h"
#include "util/status.h"

namespace thermocline {

enum class GgufType : uint32_t {
  kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64
};

const char* GgufTypeName(GgufType type);

struct GgufEntry {
  std::string key;
  GgufType type = GgufType::kU8;
  GgufType element = GgufType::kU8;  // of arrays
  uint64_t count = 0;                // of arrays
  uint64_t begin = 0;                // of the value in the file; arrays: the first element
  uint64_t end = 0;
};

// Immutable after Open, so safe from several threads. Wrong value types are
// kModelCorrupt and name the key; absent keys are nullopt or the fallback.
class GgufHeader {
 public:
  static Result<GgufHeader> Open(const std::string& path);

  const File& file() const { return file_; }
  uint32_t version() const { return version_; }
  const std::vector<GgufEntry>& entries() const { return entries_; }  // sorted by key
  // Sorted by name; types that we do not read have `readable` false.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }

  const GgufEntry* Find(std::string_view key) const;

  Result<std::optional<uint64_t>> GetUint(std::string_view key) const;  // any integer type
  Result<std::optional<double>> GetFloat(std::string_view key) const;   // F32 or F64, finite
  Result<std::optional<bool>> GetBool(std::string_view key) const;
  Result<std::optional<std::string>> GetString(std::string_view key) const;

  // An integer, or an array of integers; a lone integer has `lone` set.
  struct UintList {
    std::vector<uint64_t> values;
    bool lone = false;
  };
  Result<std::optional<UintList>> GetUintList(std::string_view key, uint64_t max_count) const;

 private:
  Status ReadKeys(class Cursor& cursor, uint64_t count);
  Status ReadTensors(class Cursor& cursor, uint64_t count);
  Status PlaceTensors(uint64_t data_begin, uint64_t alignment);
  Status Corrupt(const std::string& what) const;

  File file_;
  uint32_t version_ = 0;
  std::vector<GgufEntry> entries_;
  std::vector<TensorInfo> tensors_;
};

}  // namespace thermocline
