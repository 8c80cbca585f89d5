#include "train/samples.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "backends/layout.h"
#include "io/json.h"
#include "io/safetensors_reader.h"
#include "io/text.h"
#include "util/system_memory.h"

namespace thermocline {
namespace {

constexpr const char* kFormat = "thermocline.samples";
constexpr const char* kVersion = "1";
constexpr int64_t kMaxShardRows = 8192;
constexpr int64_t kMaxWidth = int64_t{1} << 31;
constexpr uint16_t kF16Infinity = 0x7C00;

Status Damaged(const SafetensorsFile& file, const std::string& what) {
  return Status(StatusCode::kArtifactCorrupt,
                "This samples file is damaged: " + what + ". Remove its folder and sample again.",
                file.file().path());
}

// The metadata that say what a shard holds.
struct Header {
  std::string fingerprint;
  int64_t layer = 0;
  int64_t d_model = 0;
  int64_t n_ff = 0;
};

Result<Header> ReadHeader(const SafetensorsFile& file) {
  const auto text = [&](const char* key) {
    const std::string* found = file.FindMetadata(key);
    return found != nullptr ? *found : std::string();
  };
  const std::string& path = file.file().path();
  if (text("format") != kFormat) {
    return Status(StatusCode::kArtifactFormat,
                  "The format of this file is " + Quoted(text("format")) + ", not " +
                      Quoted(kFormat) + ". Name a file of samples.",
                  path);
  }
  if (text("format_version") != kVersion) {
    return Status(StatusCode::kArtifactVersion,
                  "The format_version of this file is " + Quoted(text("format_version")) +
                      ", not " + Quoted(kVersion) + ". Sample again with this release.",
                  path);
  }
  Header header;
  header.fingerprint = text("fingerprint");
  if (header.fingerprint.empty()) return Damaged(file, "its metadata have no fingerprint");
  ASSIGN_OR_RETURN(const auto layer, JsonDocument::Parse(text("layer"), StatusCode::kArtifactCorrupt));
  ASSIGN_OR_RETURN(const auto model, JsonDocument::Parse(text("model"), StatusCode::kArtifactCorrupt));
  const JsonValue sizes = model->root().Find("n_ff");
  const auto index = layer->root().AsInt64();
  if (!index || *index < 0 || static_cast<uint64_t>(*index) >= sizes.size() || !sizes.IsArray()) {
    return Damaged(file, "it is of no layer of its model");
  }
  header.layer = *index;
  JsonValue size = sizes.First();
  for (int64_t i = 0; i < header.layer; ++i) size = size.Next();
  header.n_ff = size.AsInt64().value_or(0);
  header.d_model = model->root().Find("d_model").AsInt64().value_or(0);
  if (header.n_ff < 1 || header.n_ff > kMaxWidth || header.d_model < 1 ||
      header.d_model > kMaxWidth) {
    return Damaged(file, "its model's d_model or n_ff is out of range");
  }
  return header;
}

Result<const SafetensorsTensor*> Require(const SafetensorsFile& file, const char* name,
                                         const char* type, const std::vector<int64_t>& shape) {
  const SafetensorsTensor* tensor = file.Find(name);
  if (tensor == nullptr) return Damaged(file, "the tensor " + Quoted(name) + " is missing");
  if (std::string_view(tensor->type->name) != type || tensor->shape != shape) {
    return Damaged(file, "the tensor " + Quoted(name) + " does not have the type " + type +
                             " and the shape that its model asks for");
  }
  return tensor;
}

int64_t MaskBytes(int64_t n_ff) { return (n_ff + 7) / 8; }

bool AllBelow(std::span<const uint16_t> values, uint16_t mask, uint16_t limit) {
  return std::all_of(values.begin(), values.end(),
                     [=](uint16_t v) { return (v & mask) < limit; });
}

}  // namespace

struct SampleReader::Shard {
  SafetensorsFile file;
  const SafetensorsTensor* x = nullptr;
  const SafetensorsTensor* fires = nullptr;
  const SafetensorsTensor* offsets = nullptr;
  const SafetensorsTensor* values = nullptr;
  int64_t rows = 0;
  int64_t firing = 0;
};

Result<SampleReader> SampleReader::Open(const std::vector<std::string>& files) {
  if (files.empty()) return Status(StatusCode::kInvalidArgument, "there are no sample files");
  SampleReader reader;
  reader.kernels_ = SelectKernels("auto");
  std::vector<Shard> shards(files.size());
  uint64_t needed = 0;
  int64_t firing = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    Shard& shard = shards[i];
    ASSIGN_OR_RETURN(shard.file, SafetensorsFile::Open(files[i], StatusCode::kArtifactCorrupt));
    auto read = ReadHeader(shard.file);
    if (!read.ok()) return read.status().WithPath(files[i]);
    const Header& header = *read;
    if (i == 0) {
      reader.fingerprint_ = header.fingerprint;
      reader.layer_ = header.layer;
      reader.d_model_ = header.d_model;
      reader.n_ff_ = header.n_ff;
    } else if (header.fingerprint != reader.fingerprint_ || header.layer != reader.layer_ ||
               header.d_model != reader.d_model_ || header.n_ff != reader.n_ff_) {
      return Status(StatusCode::kArtifactModelMismatch,
                    "This samples file is of another model or layer than " + Quoted(files[0]) +
                        ". Keep the samples of each model in a folder of their own.",
                    files[i]);
    }
    const SafetensorsTensor* values = shard.file.Find("values");
    const SafetensorsTensor* x = shard.file.Find("x");
    shard.rows = x != nullptr && x->shape.size() == 2 ? x->shape[0] : 0;
    shard.firing = values != nullptr ? values->elements() : 0;
    if (shard.rows > kMaxShardRows) {
      return Damaged(shard.file, "it has " + std::to_string(shard.rows) + " rows, more than " +
                                     std::to_string(kMaxShardRows));
    }
    const int64_t mask_bytes = MaskBytes(reader.n_ff_);
    const SafetensorsFile& file = shard.file;
    ASSIGN_OR_RETURN(shard.x, Require(file, "x", "F16", {shard.rows, reader.d_model_}));
    ASSIGN_OR_RETURN(shard.fires, Require(file, "fires", "U8", {shard.rows, mask_bytes}));
    ASSIGN_OR_RETURN(shard.offsets, Require(file, "offsets", "I64", {shard.rows + 1}));
    ASSIGN_OR_RETURN(shard.values, Require(file, "values", "F16", {shard.firing}));
    reader.rows_ += shard.rows;
    firing += shard.firing;
    needed += shard.x->bytes + shard.fires->bytes + shard.values->bytes + shard.offsets->bytes;
  }
  RETURN_IF_ERROR(RequireMemory(needed, "The samples of layer " + std::to_string(reader.layer_)));
  const auto bytes = [](int64_t n, int64_t size) { return static_cast<size_t>(n * size); };
  ASSIGN_OR_RETURN(reader.x_, HugeBuffer::Allocate(bytes(reader.rows_, reader.d_model_ * 2)));
  ASSIGN_OR_RETURN(reader.fires_,
                   HugeBuffer::Allocate(bytes(reader.rows_, MaskBytes(reader.n_ff_))));
  ASSIGN_OR_RETURN(reader.values_, HugeBuffer::Allocate(bytes(firing, 2)));
  reader.offsets_.reserve(static_cast<size_t>(reader.rows_) + 1);
  RETURN_IF_ERROR(reader.ReadShards(shards));
  return reader;
}

Status SampleReader::ReadShards(const std::vector<Shard>& shards) {
  const size_t mask_bytes = static_cast<size_t>(MaskBytes(n_ff_));
  const uint8_t pad_mask =
      n_ff_ % 8 == 0 ? uint8_t{0} : static_cast<uint8_t>(0xFF << (n_ff_ % 8));
  std::byte* x = x_.data();
  std::byte* fires = fires_.data();
  std::byte* values = values_.data();
  uint64_t before = 0;  // values of the shards read so far
  offsets_.assign(1, 0);
  for (const Shard& shard : shards) {
    const SafetensorsFile& file = shard.file;
    const std::span<std::byte> x_bytes(x, static_cast<size_t>(shard.x->bytes));
    const std::span<std::byte> value_bytes(values, static_cast<size_t>(shard.values->bytes));
    RETURN_IF_ERROR(file.Read(*shard.x, 0, x_bytes));
    RETURN_IF_ERROR(file.Read(*shard.fires, 0, {fires, static_cast<size_t>(shard.fires->bytes)}));
    RETURN_IF_ERROR(file.Read(*shard.values, 0, value_bytes));
    std::vector<int64_t> offsets(static_cast<size_t>(shard.rows) + 1);
    RETURN_IF_ERROR(file.Read(*shard.offsets, 0, std::as_writable_bytes(std::span(offsets))));

    if (!AllBelow({reinterpret_cast<const uint16_t*>(x), x_bytes.size() / 2}, kF16Infinity,
                  kF16Infinity)) {
      return Damaged(file, "a hidden state is not finite");
    }
    if (!AllBelow({reinterpret_cast<const uint16_t*>(values), value_bytes.size() / 2}, 0xFFFF,
                  kF16Infinity)) {
      return Damaged(file, "a value is negative or not finite");
    }
    if (offsets.front() != 0 || offsets.back() != shard.firing) {
      return Damaged(file, "its offsets do not span its values");
    }
    for (size_t row = 0; row < static_cast<size_t>(shard.rows); ++row) {
      const auto* mask = reinterpret_cast<const uint8_t*>(fires) + row * mask_bytes;
      uint64_t set = 0;
      for (size_t b = 0; b < mask_bytes; ++b) set += static_cast<uint64_t>(std::popcount(mask[b]));
      if ((mask[mask_bytes - 1] & pad_mask) != 0) {
        return Damaged(file, "row " + std::to_string(row) + " fires neurons that do not exist");
      }
      // Unsigned: hostile offsets wrap instead of overflowing, and still do not match.
      const auto end = static_cast<uint64_t>(offsets[row + 1]);
      if (end - static_cast<uint64_t>(offsets[row]) != set) {
        return Damaged(file, "row " + std::to_string(row) + " fires " + std::to_string(set) +
                                 " neurons and has another number of values");
      }
      offsets_.push_back(before + end);
    }
    x += x_bytes.size();
    fires += shard.fires->bytes;
    values += value_bytes.size();
    before += static_cast<uint64_t>(shard.firing);
  }
  return Status::Ok();
}

const uint16_t* SampleReader::x(int64_t row) const {
  return reinterpret_cast<const uint16_t*>(x_.data()) + row * d_model_;
}

std::span<const uint8_t> SampleReader::fires(int64_t row) const {
  const auto bytes = static_cast<size_t>(MaskBytes(n_ff_));
  return {reinterpret_cast<const uint8_t*>(fires_.data()) + static_cast<size_t>(row) * bytes, bytes};
}

std::span<const uint16_t> SampleReader::values(int64_t row) const {
  const auto r = static_cast<size_t>(row);
  return {reinterpret_cast<const uint16_t*>(values_.data()) + offsets_[r],
          static_cast<size_t>(offsets_[r + 1] - offsets_[r])};
}

void SampleReader::ExpandRow(int64_t row, float* x_out, float* h_out) const {
  if (x_out != nullptr) {
    const RowMatrix states = MakeRowMatrix(DType::kF16, rows_, d_model_,
                                           reinterpret_cast<const std::byte*>(x_.data()));
    kernels_->widen_row(states, row, x_out);
  }
  if (h_out == nullptr) return;
  std::fill_n(h_out, n_ff_, 0.0F);
  ForEachFiring(row, [h_out](size_t neuron, float h) { h_out[neuron] = h; });
}

void SampleReader::Expand(std::span<const uint32_t> rows, float* x, float* h,
                          ThreadPool& pool) const {
  constexpr int64_t kRowsPerChunk = 8;
  const auto n = static_cast<int64_t>(rows.size());
  auto expand = [&](int64_t chunk, int) {
    const int64_t end = std::min(n, (chunk + 1) * kRowsPerChunk);
    for (int64_t i = chunk * kRowsPerChunk; i < end; ++i) {
      ExpandRow(rows[static_cast<size_t>(i)], x != nullptr ? x + i * d_model_ : nullptr,
                h != nullptr ? h + i * n_ff_ : nullptr);
    }
  };
  pool.ParallelFor((n + kRowsPerChunk - 1) / kRowsPerChunk, expand);
}

}  // namespace thermocline
