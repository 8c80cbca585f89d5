// A safetensors file: the container of Hugging Face weights and of this project's
// artifacts. 8 bytes of header length, a JSON header, then the tensors back to back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/file.h"
#include "io/tensor_types.h"
#include "util/status.h"

namespace thermocline {

struct SafetensorsTensor {
  std::string name;
  const FileTensorType* type = nullptr;  // static storage
  std::vector<int64_t> shape;            // outermost first; empty for a single value
  uint64_t offset = 0;                   // of the data in the file
  uint64_t bytes = 0;

  int64_t elements() const;
};

// Immutable after Open, so safe from several threads.
class SafetensorsFile {
 public:
  // Checks that the tensors cover the data exactly, without gap or overlap, and that
  // no name occurs twice. What is wrong with the bytes has the code `corrupt`.
  static Result<SafetensorsFile> Open(const std::string& path, StatusCode corrupt);

  const File& file() const { return file_; }
  const std::vector<SafetensorsTensor>& tensors() const { return tensors_; }  // sorted by name
  const SafetensorsTensor* Find(std::string_view name) const;
  // The pairs under __metadata__, sorted by key.
  const std::vector<std::pair<std::string, std::string>>& metadata() const { return metadata_; }
  const std::string* FindMetadata(std::string_view key) const;

  // REQUIRES: the range lies inside the tensor (else kInvalidArgument).
  Status Read(const SafetensorsTensor& tensor, uint64_t offset, std::span<std::byte> into) const;

 private:
  Status ReadHeader(StatusCode corrupt);
  Status CheckPlaces(uint64_t data_begin, StatusCode corrupt) const;

  File file_;
  std::vector<SafetensorsTensor> tensors_;
  std::vector<std::pair<std::string, std::string>> metadata_;
};

}  // namespace thermocline
