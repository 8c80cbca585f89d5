#include "tiers/cpu_tier.h"

#include <algorithm>
#include <string>

#include "backends/layout.h"
#include "backends/neuron_layout.h"
#include "tiers/weight_loader.h"

namespace thermocline {
namespace {

int64_t Aligned(int64_t bytes) { return CeilDiv(bytes, 64) * 64; }

// Where a quantised down matrix binds 32 neighbours, it is held whole, in file order.
bool SharesScales(const FfnBlockSource& source) {
  return BlockElements(source.down->type) > 1 && !source.neuron_major;
}
int64_t DownRows(const FfnBlockSource& source, int64_t n) {
  return SharesScales(source) ? source.n_neurons : n;
}
NeuronScales ScalesOf(const FfnBlockSource& source) {
  return source.neuron_major ? NeuronScales::kOwn : NeuronScales::kShared;
}

struct PartBytes {
  int64_t gate = 0, up = 0, down = 0;
  int64_t total() const { return Aligned(gate) + Aligned(up) + Aligned(down); }
};

PartBytes BytesOf(const FfnBlockSource& source, int64_t n) {
  PartBytes bytes;
  if (source.gate != nullptr) bytes.gate = n * RowBytes(source.gate->type, source.d_model);
  bytes.up = n * RowBytes(source.up->type, source.d_model);
  bytes.down = NeuronMatrixBytes(source.down->type, ScalesOf(source), DownRows(source, n),
                                 source.d_model);
  return bytes;
}

RowMatrix Rows(DType type, int64_t rows, int64_t cols, const std::byte* data) {
  RowMatrix matrix;
  matrix.data = data;
  matrix.type = type;
  matrix.rows = rows;
  matrix.cols = cols;
  matrix.row_bytes = RowBytes(type, cols);
  return matrix;
}

}  // namespace

CpuTier::CpuTier(ThreadPool& pool, const Kernels& kernels, std::shared_ptr<Accountant> accountant,
                 int64_t max_tokens, Tier tier)
    : ffn_(pool, kernels, max_tokens),
      accountant_(std::move(accountant)),
      max_tokens_(max_tokens),
      tier_(tier) {}

uint64_t CpuTier::PlannedBytes(const FfnBlockSource& source, int64_t n_neurons) const {
  return static_cast<uint64_t>(BytesOf(source, n_neurons).total());
}

// Groups of 32 neurons, of K-quants 256, by blocks of 32 columns: what kernels take a quantised down
// matrix to be.
// Rows with scales of their own are whole blocks in any file.
Status CpuTier::CheckDown(const FfnBlockSource& source) {
  if (source.neuron_major && IsKQuant(source.down->type)) {
    return Status(StatusCode::kModelUnsupported,
                  "tensor '" + source.down->name + "' is of type " + DTypeName(source.down->type) +
                      ", which is not read neuron by neuron; pack the model with ffn_down_t in Q4_0, "
                      "Q8_0 or a float type",
                  source.file->path());
  }
  if (source.neuron_major) return Status::Ok();
  const int64_t block = BlockElements(source.down->type);
  const int64_t columns = std::min<int64_t>(block, 32);
  if (source.d_model % columns == 0 && source.n_neurons % block == 0 &&
      source.first_neuron % block == 0) {
    return Status::Ok();
  }
  return Status(StatusCode::kModelUnsupported,
                "tensor '" + source.down->name + "' is of type " + DTypeName(source.down->type) +
                    ", which needs rows in multiples of " + std::to_string(columns) +
                    " and neurons in multiples of " + std::to_string(block) + "; here are " +
                    std::to_string(source.d_model) + " rows, and " +
                    std::to_string(source.n_neurons) + " neurons from " +
                    std::to_string(source.first_neuron) + " on",
                source.file->path());
}

Result<FfnHandle> CpuTier::Load(const FfnBlockSource& source, std::span<const uint32_t> neurons,
                                LoadList& reads) {
  RETURN_IF_ERROR(CheckDown(source));
  CpuPart part;
  part.loaded = true;
  part.gated = source.gate != nullptr;
  part.activation = source.activation;
  part.n = static_cast<int64_t>(neurons.size());
  part.d_model = source.d_model;
  RETURN_IF_ERROR(ffn_.Grow(part.n, part.d_model, *accountant_));

  const PartBytes bytes = BytesOf(source, part.n);
  ASSIGN_OR_RETURN(part.reservation,
                   accountant_->Reserve(static_cast<uint64_t>(bytes.total()), "weights"));
  ASSIGN_OR_RETURN(part.memory, HugeBuffer::Allocate(static_cast<size_t>(bytes.total())));

  // Neuron of the block -> row of this part.
  const bool in_file_order =
      part.n == source.n_neurons && std::is_sorted(neurons.begin(), neurons.end());
  RowOf rows;
  if (!in_file_order) {
    std::vector<uint32_t> row_of(static_cast<size_t>(source.n_neurons), kNoRow);
    for (size_t p = 0; p < neurons.size(); ++p) row_of[neurons[p]] = static_cast<uint32_t>(p);
    rows = std::make_shared<const std::vector<uint32_t>>(std::move(row_of));
  }

  const ModelFile& file = *source.file;
  const int64_t first = source.first_neuron;
  const int64_t n = source.n_neurons;
  std::byte* at = part.memory.data();
  if (part.gated) {
    part.gate = Rows(source.gate->type, part.n, part.d_model, at);
    AddRows(file, *source.gate, first, n, rows, at, reads);
    at += Aligned(bytes.gate);
  }
  part.up = Rows(source.up->type, part.n, part.d_model, at);
  AddRows(file, *source.up, first, n, rows, at, reads);
  at += Aligned(bytes.up);
  part.down = MakeNeuronMatrix(source.down->type, ScalesOf(source), DownRows(source, part.n),
                               part.d_model, at);
  const bool whole_down = SharesScales(source);
  if (source.neuron_major) {
    AddNeuronRows(file, *source.down, first, n, rows, at, reads);
  } else {
    AddNeurons(file, *source.down, first, n, whole_down ? nullptr : rows, part.down, at, reads);
  }
  if (whole_down && !in_file_order) part.down_row.assign(neurons.begin(), neurons.end());

  const auto add_bias = [&](const TensorInfo* tensor, std::vector<float>* bias) -> Status {
    if (tensor == nullptr) return Status::Ok();
    bias->resize(neurons.size());
    return AddVector(file, *tensor, first, n, rows, bias->data(), reads);
  };
  RETURN_IF_ERROR(add_bias(source.gate_bias, &part.gate_bias));
  RETURN_IF_ERROR(add_bias(source.up_bias, &part.up_bias));

  for (size_t i = 0; i < parts_.size(); ++i) {
    if (parts_[i].loaded) continue;
    parts_[i] = std::move(part);
    return static_cast<FfnHandle>(i);
  }
  parts_.push_back(std::move(part));
  return static_cast<FfnHandle>(parts_.size() - 1);
}

void CpuTier::Unload(FfnHandle handle) { parts_[handle] = CpuPart(); }

std::vector<MemoryRange> CpuTier::Memory() const {
  std::vector<MemoryRange> ranges;
  for (const CpuPart& part : parts_) {
    if (part.loaded) ranges.push_back({part.memory.data(), part.memory.size()});
  }
  return ranges;
}

Status CpuTier::Submit(FfnHandle handle, const FfnWork& work) {
  if (work.input.device != Device::kHost || work.x.n_tokens > max_tokens_) {
    return Status(StatusCode::kInternal, "the cpu tier was given work it cannot hold");
  }
  parts_[handle].work = work;
  return Status::Ok();
}

Status CpuTier::Finish(FfnHandle handle, TensorView y, FfnOutcome* outcome) {
  ffn_.Run(parts_[handle], y, outcome);
  return Status::Ok();
}

}  // namespace thermocline
