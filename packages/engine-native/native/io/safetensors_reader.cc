#include "io/safetensors_reader.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>

#include "io/json.h"
#include "io/text.h"

namespace thermocline {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr size_t kMaxDims = 8;
constexpr uint64_t kMaxElements = uint64_t{1} << 48;

// One entry of the header. `problem` is empty when it holds; `unknown_type` is set
// when the entry is sound but has an element type nobody has defined.
struct Entry {
  SafetensorsTensor tensor;
  std::string problem;
  bool unknown_type = false;
};

Entry ParseEntry(std::string name, JsonValue value) {
  Entry entry;
  SafetensorsTensor& tensor = entry.tensor;
  tensor.name = std::move(name);
  const JsonValue dtype = value.Find("dtype");
  const JsonValue shape = value.Find("shape");
  const JsonValue offsets = value.Find("data_offsets");
  if (!dtype.IsString() || !shape.IsArray() || !offsets.IsArray() || offsets.size() != 2) {
    entry.problem = "lacks dtype, shape or data_offsets";
    return entry;
  }
  tensor.type = FindSafetensorsType(dtype.Source());
  if (tensor.type == nullptr) {
    entry.problem = "has the unknown type " + Quoted(dtype.Source());
    entry.unknown_type = true;
    return entry;
  }
  if (shape.size() > kMaxDims) {
    entry.problem = "has too many dimensions";
    return entry;
  }
  tensor.shape.reserve(shape.size());
  uint64_t elements = 1;
  for (JsonValue dim = shape.First(); dim.exists(); dim = dim.Next()) {
    const auto n = dim.AsUint64();
    if (!n || (*n != 0 && elements > kMaxElements / *n)) {
      entry.problem = "has a shape that is no list of sizes, or too many elements";
      return entry;
    }
    elements *= *n;
    tensor.shape.push_back(static_cast<int64_t>(std::min(*n, kMaxElements)));
  }
  const auto begin = offsets.First().AsUint64();
  const auto end = offsets.First().Next().AsUint64();
  if (!begin || !end || *end < *begin) {
    entry.problem = "has data_offsets that are not two ascending numbers";
    return entry;
  }
  tensor.offset = *begin;
  tensor.bytes = elements * static_cast<uint64_t>(tensor.type->block_bytes);
  if (*end - *begin != tensor.bytes) {
    entry.problem = "spans " + std::to_string(*end - *begin) + " bytes where its shape needs " +
                    std::to_string(tensor.bytes);
  }
  return entry;
}

}  // namespace

int64_t SafetensorsTensor::elements() const {
  int64_t n = 1;
  for (const int64_t d : shape) n *= d;
  return n;
}

Result<SafetensorsFile> SafetensorsFile::Open(const std::string& path, StatusCode corrupt) {
  static_assert(std::endian::native == std::endian::little);
  SafetensorsFile result;
  ASSIGN_OR_RETURN(result.file_, File::Open(path));
  RETURN_IF_ERROR(result.ReadHeader(corrupt).WithPath(path));
  return result;
}

Status SafetensorsFile::ReadHeader(StatusCode corrupt) {
  const auto damaged = [&](const std::string& what) {
    return Status(corrupt, "This safetensors file is damaged: " + what + ".", file_.path());
  };
  if (file_.size() < 8) return damaged("it has only " + std::to_string(file_.size()) + " bytes");
  std::array<std::byte, 8> raw;
  RETURN_IF_ERROR(file_.Read(0, raw));
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, raw.data(), 8);
  if (header_bytes > kMaxHeaderBytes || header_bytes > file_.size() - 8) {
    return damaged("its header claims " + std::to_string(header_bytes) + " bytes, the file has " +
                   std::to_string(file_.size()));
  }
  std::string text(static_cast<size_t>(header_bytes), '\0');
  RETURN_IF_ERROR(file_.Read(8, std::as_writable_bytes(std::span(text))));
  ASSIGN_OR_RETURN(const auto document, JsonDocument::Parse(std::move(text), corrupt));
  const JsonValue root = document->root();
  if (!root.IsObject()) return damaged("its header is not a JSON object");

  tensors_.reserve(root.size());
  bool has_metadata = false;
  for (JsonValue key = root.First(); key.exists(); key = key.NextKey()) {
    const JsonValue value = key.Value();
    if (key.Equals("__metadata__")) {
      if (has_metadata || !value.IsObject()) return damaged("__metadata__ is not one object");
      has_metadata = true;
      metadata_.reserve(value.size());
      for (JsonValue k = value.First(); k.exists(); k = k.NextKey()) {
        auto v = k.Value().AsString();
        if (!v) return damaged("__metadata__ has a value that is not a string");
        metadata_.emplace_back(*k.AsString(), *std::move(v));
      }
      continue;
    }
    Entry entry = ParseEntry(*key.AsString(), value);
    if (!entry.problem.empty()) {
      const std::string what = "tensor " + Quoted(entry.tensor.name) + " " + entry.problem;
      if (entry.unknown_type && corrupt == StatusCode::kModelCorrupt) {
        return Status(StatusCode::kWeightTypeUnsupported, "The " + what + ".", file_.path());
      }
      return damaged(what);
    }
    tensors_.push_back(std::move(entry.tensor));
  }
  std::sort(metadata_.begin(), metadata_.end());
  for (size_t i = 1; i < metadata_.size(); ++i) {
    if (metadata_[i].first == metadata_[i - 1].first) return damaged("__metadata__ repeats a key");
  }
  const uint64_t data_begin = 8 + header_bytes;
  RETURN_IF_ERROR(CheckPlaces(data_begin, corrupt));
  std::sort(tensors_.begin(), tensors_.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (i > 0 && tensors_[i].name == tensors_[i - 1].name) {
      return damaged("the tensor " + Quoted(tensors_[i].name) + " occurs twice");
    }
    tensors_[i].offset += data_begin;
  }
  return Status::Ok();
}

// The tensors, in the order of their offsets, must follow one another up to the end
// of the file: that rules out overlap, gaps, truncation and trailing bytes at once.
Status SafetensorsFile::CheckPlaces(uint64_t data_begin, StatusCode corrupt) const {
  std::vector<uint32_t> order(tensors_.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [this](uint32_t a, uint32_t b) {
    return std::pair(tensors_[a].offset, tensors_[a].bytes) <
           std::pair(tensors_[b].offset, tensors_[b].bytes);
  });
  uint64_t expected = 0;
  for (const uint32_t i : order) {
    if (tensors_[i].offset != expected) {
      return Status(corrupt,
                    "This safetensors file is damaged: tensor " + Quoted(tensors_[i].name) +
                        " begins at " + std::to_string(tensors_[i].offset) + " where " +
                        std::to_string(expected) + " is next.",
                    file_.path());
    }
    expected += tensors_[i].bytes;
  }
  const uint64_t data_bytes = file_.size() - data_begin;
  if (expected != data_bytes) {
    return Status(corrupt,
                  "This safetensors file is damaged: its tensors take " +
                      std::to_string(expected) + " bytes, the file has " +
                      std::to_string(data_bytes) + " after the header.",
                  file_.path());
  }
  return Status::Ok();
}

const SafetensorsTensor* SafetensorsFile::Find(std::string_view name) const {
  const auto at = std::lower_bound(
      tensors_.begin(), tensors_.end(), name,
      [](const SafetensorsTensor& t, std::string_view wanted) { return t.name < wanted; });
  return at != tensors_.end() && at->name == name ? &*at : nullptr;
}

const std::string* SafetensorsFile::FindMetadata(std::string_view key) const {
  for (const auto& [k, v] : metadata_) {
    if (k == key) return &v;
  }
  return nullptr;
}

Status SafetensorsFile::Read(const SafetensorsTensor& tensor, uint64_t offset,
                             std::span<std::byte> into) const {
  if (offset > tensor.bytes || into.size() > tensor.bytes - offset) {
    return Status(StatusCode::kInvalidArgument,
                  "A read reaches past the end of tensor " + Quoted(tensor.name) + ".",
                  file_.path());
  }
  return file_.Read(tensor.offset + offset, into);
}

}  // namespace thermocline
