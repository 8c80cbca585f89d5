#include "io/gguf_header.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "io/cursor.h"
#include "io/tensor_types.h"
#include "io/text.h"

namespace thermocline {
namespace {

constexpr uint64_t kMaxKeyBytes = 65535;
constexpr uint64_t kMaxNameBytes = 1024;
constexpr uint64_t kMaxAlignment = 1 << 20;
constexpr int kMaxArrayDepth = 8;

// The fewest bytes that an entry can take in the file: what a claimed count is held
// against before anything is allocated for it.
constexpr uint64_t kMinKeyBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

// Bytes per scalar; 0 for strings, arrays and unknown types.
uint64_t ScalarBytes(GgufType type) {
  switch (type) {
    case GgufType::kU8: case GgufType::kI8: case GgufType::kBool: return 1;
    case GgufType::kU16: case GgufType::kI16: return 2;
    case GgufType::kU32: case GgufType::kI32: case GgufType::kF32: return 4;
    case GgufType::kU64: case GgufType::kI64: case GgufType::kF64: return 8;
    case GgufType::kString: case GgufType::kArray: return 0;
  }
  return 0;
}

bool IsKnown(uint32_t type) { return type <= static_cast<uint32_t>(GgufType::kF64); }

// Walks over a value without keeping it. On false either cursor.status() or
// `problem` says why.
bool SkipValue(Cursor& cursor, GgufType type, int depth, const char*& problem);

bool SkipElements(Cursor& cursor, GgufType element, uint64_t count, int depth,
                  const char*& problem) {
  if (const uint64_t bytes = ScalarBytes(element); bytes > 0) {
    if (count > cursor.remaining() / bytes) {
      problem = "an array is longer than the rest of the file";
      return false;
    }
    return cursor.Skip(count * bytes);
  }
  const uint64_t min_bytes = element == GgufType::kString ? 8 : 12;
  if (count > cursor.remaining() / min_bytes) {
    problem = "an array is longer than the rest of the file";
    return false;
  }
  for (uint64_t i = 0; i < count; ++i) {
    if (!SkipValue(cursor, element, depth, problem)) return false;
  }
  return true;
}

bool SkipValue(Cursor& cursor, GgufType type, int depth, const char*& problem) {
  if (type == GgufType::kString) return cursor.SkipString();
  if (type != GgufType::kArray) return cursor.Skip(ScalarBytes(type));
  uint32_t element = 0;
  uint64_t count = 0;
  if (!cursor.Take(element) || !cursor.Take(count)) return false;
  if (!IsKnown(element)) {
    problem = "an array has an unknown element type";
    return false;
  }
  if (depth >= kMaxArrayDepth) {
    problem = "arrays are nested too deeply";
    return false;
  }
  return SkipElements(cursor, static_cast<GgufType>(element), count, depth + 1, problem);
}

// Sorts by `name` and gives the first name that occurs twice.
template <typename T>
const std::string* SortAndFindRepeat(std::vector<T>& items, std::string T::*name) {
  std::sort(items.begin(), items.end(),
            [name](const T& a, const T& b) { return a.*name < b.*name; });
  const auto repeat =
      std::adjacent_find(items.begin(), items.end(),
                         [name](const T& a, const T& b) { return a.*name == b.*name; });
  return repeat == items.end() ? nullptr : &((*repeat).*name);
}

}  // namespace

const char* GgufTypeName(GgufType type) {
  constexpr std::array kNames = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                 "bool", "string", "array", "u64", "i64", "f64"};
  const auto i = static_cast<size_t>(type);
  return i < kNames.size() ? kNames[i] : "unknown";
}

Status GgufHeader::Corrupt(const std::string& what) const {
  return Status(StatusCode::kModelCorrupt, "This GGUF file is damaged: " + what + ".",
                file_.path());
}

Result<GgufHeader> GgufHeader::Open(const std::string& path) {
  GgufHeader header;
  ASSIGN_OR_RETURN(header.file_, File::Open(path));
  Cursor cursor(header.file_, 0, header.file_.size());

  std::array<char, 4> magic = {};
  if (!cursor.TakeBytes(magic.data(), 4)) return cursor.status();
  if (std::string_view(magic.data(), 4) != "GGUF") {
    return header.Corrupt("it begins with " + Quoted(std::string_view(magic.data(), 4)) +
                          " where \"GGUF\" is expected");
  }
  if (!cursor.Take(header.version_)) return cursor.status();
  const uint32_t version = header.version_;
  if (version != 2 && version != 3) {
    const bool swapped = (version & 0xFFFF) == 0 && version != 0;
    return Status(StatusCode::kModelUnsupported,
                  swapped ? "This is a big-endian GGUF file; only little-endian files are read."
                          : "This GGUF file has version " + std::to_string(version) +
                                "; versions 2 and 3 are read.",
                  path);
  }
  uint64_t n_tensors = 0;
  uint64_t n_keys = 0;
  if (!cursor.Take(n_tensors) || !cursor.Take(n_keys)) return cursor.status();

  RETURN_IF_ERROR(header.ReadKeys(cursor, n_keys));
  ASSIGN_OR_RETURN(const auto alignment_key, header.GetUint("general.alignment"));
  const uint64_t alignment = alignment_key.value_or(32);
  if (!std::has_single_bit(alignment) || alignment > kMaxAlignment) {
    return header.Corrupt("general.alignment is " + std::to_string(alignment) +
                          ", not a power of two up to 1 MiB");
  }
  RETURN_IF_ERROR(header.ReadTensors(cursor, n_tensors));
  const uint64_t data_begin = (cursor.offset() + alignment - 1) / alignment * alignment;
  RETURN_IF_ERROR(header.PlaceTensors(data_begin, alignment));
  return header;
}

Status GgufHeader::ReadKeys(Cursor& cursor, uint64_t count) {
  if (count > cursor.remaining() / kMinKeyBytes) {
    return Corrupt("it claims " + std::to_string(count) + " keys, more than fit in the file");
  }
  entries_.reserve(static_cast<size_t>(count));
  for (uint64_t i = 0; i < count; ++i) {
    GgufEntry entry;
    uint32_t type = 0;
    if (!cursor.TakeString(entry.key, kMaxKeyBytes) || !cursor.Take(type)) return cursor.status();
    if (entry.key.empty() || !IsValidUtf8(entry.key)) {
      return Corrupt("key number " + std::to_string(i) + " is " + Quoted(entry.key) +
                     ", not a name in UTF-8");
    }
    if (!IsKnown(type)) {
      return Corrupt("key " + Quoted(entry.key) + " has the unknown value type " +
                     std::to_string(type));
    }
    entry.type = static_cast<GgufType>(type);
    const char* problem = nullptr;
    bool ok = true;
    if (entry.type == GgufType::kArray) {
      uint32_t element = 0;
      if (!cursor.Take(element) || !cursor.Take(entry.count)) return cursor.status();
      if (!IsKnown(element)) {
        return Corrupt("the array " + Quoted(entry.key) + " has the unknown element type " +
                       std::to_string(element));
      }
      entry.element = static_cast<GgufType>(element);
      entry.begin = cursor.offset();
      ok = SkipElements(cursor, entry.element, entry.count, 1, problem);
    } else {
      entry.begin = cursor.offset();
      ok = SkipValue(cursor, entry.type, 0, problem);
    }
    if (problem != nullptr) return Corrupt("at key " + Quoted(entry.key) + ", " + problem);
    if (!ok) return cursor.status();
    entry.end = cursor.offset();
    entries_.push_back(std::move(entry));
  }
  if (const auto* repeat = SortAndFindRepeat(entries_, &GgufEntry::key)) {
    return Corrupt("the key " + Quoted(*repeat) + " occurs twice");
  }
  return Status::Ok();
}

Status GgufHeader::ReadTensors(Cursor& cursor, uint64_t count) {
  if (count > cursor.remaining() / kMinTensorBytes) {
    return Corrupt("it claims " + std::to_string(count) + " tensors, more than fit in the file");
  }
  tensors_.reserve(static_cast<size_t>(count));
  for (uint64_t i = 0; i < count; ++i) {
    TensorInfo tensor;
    uint32_t n_dims = 0;
    if (!cursor.TakeString(tensor.name, kMaxNameBytes) || !cursor.Take(n_dims)) {
      return cursor.status();
    }
    const auto name = [&tensor] { return "tensor " + Quoted(tensor.name); };
    if (tensor.name.empty() || !IsValidUtf8(tensor.name)) {
      return Corrupt(name() + " has no name in UTF-8");
    }
    if (n_dims < 1 || n_dims > 4) {
      return Corrupt(name() + " has " + std::to_string(n_dims) + " dimensions, not 1 to 4");
    }
    tensor.shape.resize(n_dims);
    uint64_t elements = 1;
    for (uint32_t d = 0; d < n_dims; ++d) {
      uint64_t n = 0;
      if (!cursor.Take(n)) return cursor.status();
      constexpr uint64_t kMaxElements = uint64_t{1} << 48;
      if (n == 0) return Corrupt(name() + " has a dimension of 0");
      if (n > kMaxElements / elements) return Corrupt(name() + " has too many elements");
      elements *= n;
      tensor.shape[n_dims - 1 - d] = static_cast<int64_t>(n);
    }
    uint32_t type_id = 0;
    if (!cursor.Take(type_id) || !cursor.Take(tensor.offset)) return cursor.status();
    const FileTensorType* type = FindGgmlType(type_id);
    tensor.readable = type != nullptr && type->dtype.has_value();
    tensor.type = tensor.readable ? *type->dtype : DType::kF32;
    tensor.type_name = type != nullptr ? type->name : "an unknown type";
    if (type != nullptr) {
      const auto block = static_cast<uint64_t>(type->block_elements);
      if (static_cast<uint64_t>(tensor.shape.back()) % block != 0) {
        return Corrupt(name() + " has rows of " + std::to_string(tensor.shape.back()) +
                       " elements, which do not divide into " + type->name + " blocks of " +
                       std::to_string(block));
      }
      tensor.bytes = elements / block * static_cast<uint64_t>(type->block_bytes);
    }
    tensors_.push_back(std::move(tensor));
  }
  if (const auto* repeat = SortAndFindRepeat(tensors_, &TensorInfo::name)) {
    return Corrupt("the tensor " + Quoted(*repeat) + " occurs twice");
  }
  return Status::Ok();
}

Status GgufHeader::PlaceTensors(uint64_t data_begin, uint64_t alignment) {
  const uint64_t file_bytes = file_.size();
  for (auto& tensor : tensors_) {
    const auto name = [&tensor] { return "tensor " + Quoted(tensor.name); };
    if (tensor.offset % alignment != 0) {
      return Corrupt(name() + " is not aligned to " + std::to_string(alignment) + " bytes");
    }
    if (data_begin > file_bytes || tensor.offset > file_bytes - data_begin ||
        tensor.bytes > file_bytes - data_begin - tensor.offset) {
      return Corrupt(name() + " (" + std::to_string(tensor.bytes) + " bytes at " +
                     std::to_string(tensor.offset) + " of the data) reaches past the end of the file");
    }
    tensor.offset += data_begin;
  }
  std::vector<size_t> order(tensors_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [this](size_t a, size_t b) {
    return tensors_[a].offset < tensors_[b].offset;
  });
  for (size_t i = 1; i < order.size(); ++i) {
    const TensorInfo& before = tensors_[order[i - 1]];
    const TensorInfo& after = tensors_[order[i]];
    if (after.offset - before.offset < before.bytes) {
      return Corrupt("the tensors " + Quoted(before.name) + " and " + Quoted(after.name) +
                     " overlap");
    }
  }
  return Status::Ok();
}

const GgufEntry* GgufHeader::Find(std::string_view key) const {
  const auto at = std::lower_bound(
      entries_.begin(), entries_.end(), key,
      [](const GgufEntry& entry, std::string_view wanted) { return entry.key < wanted; });
  return at != entries_.end() && at->key == key ? &*at : nullptr;
}

}  // namespace thermocline
