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

// Where the matrices of a part lie in its memory. Going to a place costs as much as reading some
// kilobytes there, so what a neuron needs at one time is one bundle: up and down, where its gate says
// that it fires; the gate too, or up where there is none, where a predictor has said so before.
// Gates that no predictor chooses are apart: all of them are read, as one stream.
struct PartLayout {
  int64_t gate = 0, up = 0, down = 0;                       // offsets
  int64_t gate_stride = 0, up_stride = 0, down_stride = 0;  // bytes from row to row
  int64_t bytes = 0;
};

PartLayout SeparateMatrices(const FfnBlockSource& source, int64_t n) {
  PartLayout layout;
  if (source.gate != nullptr) layout.gate_stride = RowBytes(source.gate->type, source.d_model);
  layout.up_stride = RowBytes(source.up->type, source.d_model);
  layout.up = Aligned(n * layout.gate_stride);
  layout.down = layout.up + Aligned(n * layout.up_stride);
  layout.down_stride = MakeNeuronMatrix(source.down->type, ScalesOf(source), n, source.d_model,
                                        nullptr).stride;
  layout.bytes = layout.down + Aligned(NeuronMatrixBytes(source.down->type, ScalesOf(source),
                                                         DownRows(source, n), source.d_model));
  return layout;
}

// Rows begin at cache lines.
PartLayout Bundles(const FfnBlockSource& source, int64_t n) {
  const auto row_bytes = [&](const TensorInfo* tensor) {
    return tensor == nullptr ? 0 : RowBytes(tensor->type, source.d_model);
  };
  const int64_t gate_apart = source.chosen_first ? 0 : Aligned(n * row_bytes(source.gate));
  const int64_t gate_here = source.chosen_first ? Aligned(row_bytes(source.gate)) : 0;
  const int64_t bundle = gate_here + Aligned(row_bytes(source.up)) + Aligned(row_bytes(source.down));
  PartLayout layout;
  layout.gate_stride = source.chosen_first ? bundle : row_bytes(source.gate);
  layout.up_stride = layout.down_stride = bundle;
  layout.up = gate_apart + gate_here;
  layout.down = layout.up + Aligned(row_bytes(source.up));
  layout.bytes = gate_apart + n * bundle;
  return layout;
}

PartLayout LayoutOf(const FfnBlockSource& source, int64_t n) {
  const bool skips = HasExactZeros(source.activation) && !SharesScales(source);
  return skips && (source.gate != nullptr || source.chosen_first) ? Bundles(source, n)
                                                                  : SeparateMatrices(source, n);
}

}  // namespace

CpuTier::CpuTier(ThreadPool& pool, const Kernels& kernels, std::shared_ptr<Accountant> accountant,
                 int64_t max_tokens, Tier tier)
    : ffn_(pool, kernels, max_tokens),
      accountant_(std::move(accountant)),
      max_tokens_(max_tokens),
      tier_(tier) {}

uint64_t CpuTier::PlannedBytes(const FfnBlockSource& source, int64_t n_neurons) const {
  return static_cast<uint64_t>(LayoutOf(source, n_neurons).bytes);
}

// Groups of 32 neurons, of K-quants 256, by blocks of 32 columns: what kernels take a quantised down
// matrix to be. Rows with scales of their own are whole blocks in any file.
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

  const PartLayout layout = LayoutOf(source, part.n);
  ASSIGN_OR_RETURN(part.reservation,
                   accountant_->Reserve(static_cast<uint64_t>(layout.bytes), "weights"));
  ASSIGN_OR_RETURN(part.memory, HugeBuffer::Allocate(static_cast<size_t>(layout.bytes)));

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
  const auto add_rows = [&](const TensorInfo& tensor, int64_t offset, int64_t stride) {
    std::byte* const at = part.memory.data() + offset;
    AddRows(file, tensor, first, n, rows, at, stride, reads);
    RowMatrix matrix = MakeRowMatrix(tensor.type, part.n, part.d_model, at);
    matrix.stride = stride;
    return matrix;
  };
  if (part.gated) part.gate = add_rows(*source.gate, layout.gate, layout.gate_stride);
  part.up = add_rows(*source.up, layout.up, layout.up_stride);

  std::byte* const down = part.memory.data() + layout.down;
  part.down = MakeNeuronMatrix(source.down->type, ScalesOf(source), DownRows(source, part.n),
                               part.d_model, down);
  part.down.stride = layout.down_stride;
  const bool whole_down = SharesScales(source);
  if (source.neuron_major) {
    AddNeuronRows(file, *source.down, first, n, rows, down, part.down.stride, reads);
  } else {
    AddNeurons(file, *source.down, first, n, whole_down ? nullptr : rows, part.down, down, reads);
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
