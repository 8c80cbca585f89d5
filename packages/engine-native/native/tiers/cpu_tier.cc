#include "tiers/cpu_tier.h"

#include <algorithm>
#include <string>

#include "backends/layout.h"
#include "tiers/weight_loader.h"

namespace thermocline {
namespace {

constexpr int64_t kLanes = 32;
constexpr int64_t kLaneBlock = 32;   // positions dealt to a lane at a time
constexpr int64_t kRowChunk = 64;    // rows per task of a batch
constexpr int64_t kTokenChunk = 32;  // tokens and columns per task of adding up down rows
constexpr int64_t kColumnChunk = 64;

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t Aligned(int64_t bytes) { return CeilDiv(bytes, 64) * 64; }
int64_t LaneCapacity(int64_t n) { return CeilDiv(CeilDiv(n, kLaneBlock), kLanes) * kLaneBlock; }

bool SharesScales(DType type) { return BlockElements(type) > 1; }

// The quantised down matrix binds 32 neighbours, so it is held whole, in file order.
int64_t DownRows(const FfnBlockSource& source, int64_t n) {
  return SharesScales(source.down->type) ? source.n_neurons : n;
}

struct PartBytes {
  int64_t gate = 0, up = 0, down = 0;
  int64_t total() const { return Aligned(gate) + Aligned(up) + Aligned(down); }
};

PartBytes BytesOf(const FfnBlockSource& source, int64_t n) {
  PartBytes bytes;
  if (source.gate != nullptr) bytes.gate = n * RowBytes(source.gate->type, source.d_model);
  bytes.up = n * RowBytes(source.up->type, source.d_model);
  bytes.down = NeuronMatrixBytes(source.down->type, DownRows(source, n), source.d_model);
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

void AddBias(const std::vector<float>& bias, int64_t begin, int64_t n, float* values) {
  if (bias.empty()) return;
  for (int64_t i = 0; i < n; ++i) values[i] += bias[static_cast<size_t>(begin + i)];
}

}  // namespace

CpuTier::CpuTier(ThreadPool& pool, const Kernels& kernels, std::shared_ptr<Accountant> accountant,
                 int64_t max_tokens, Tier tier)
    : pool_(pool),
      kernels_(kernels),
      accountant_(std::move(accountant)),
      max_tokens_(max_tokens),
      tier_(tier) {}

uint64_t CpuTier::PlannedBytes(const FfnBlockSource& source, int64_t n_neurons) const {
  return static_cast<uint64_t>(BytesOf(source, n_neurons).total());
}

uint64_t CpuTier::ScratchBytes(int64_t neurons, int64_t d_model, int64_t max_tokens) {
  const int64_t floats = 2 * max_tokens * neurons + std::max(kLanes, max_tokens) * d_model;
  const int64_t lists = 2 * kLanes * LaneCapacity(neurons);
  const int64_t fired = CeilDiv(neurons, kRowChunk) * max_tokens;
  return static_cast<uint64_t>(4 * (floats + lists + fired) + neurons + kLanes * 8);
}

Status CpuTier::Grow(int64_t neurons, int64_t d_model) {
  if (neurons <= scratch_.neurons && d_model <= scratch_.d_model) return Status::Ok();
  Scratch grown;
  grown.neurons = std::max(neurons, scratch_.neurons);
  grown.d_model = std::max(d_model, scratch_.d_model);
  scratch_ = Scratch();  // gives the old reservation back first
  ASSIGN_OR_RETURN(grown.reservation,
                   accountant_->Reserve(
                       ScratchBytes(grown.neurons, grown.d_model, max_tokens_), "scratch"));
  const auto n = static_cast<size_t>(grown.neurons);
  const auto tokens = static_cast<size_t>(max_tokens_);
  grown.first.resize(tokens * n);
  grown.second.resize(tokens * n);
  grown.sums.resize(static_cast<size_t>(std::max(kLanes, max_tokens_) * grown.d_model));
  grown.positions.resize(static_cast<size_t>(kLanes * LaneCapacity(grown.neurons)));
  grown.rows.resize(grown.positions.size());
  grown.counts.resize(kLanes);
  grown.active.resize(n);
  grown.fired.resize(static_cast<size_t>(CeilDiv(grown.neurons, kRowChunk)) * tokens);
  scratch_ = std::move(grown);
  return Status::Ok();
}

// Groups of 32 neurons by blocks of 32 columns: what kernels take a quantised down matrix to be.
Status CpuTier::CheckDown(const FfnBlockSource& source) {
  const int64_t block = BlockElements(source.down->type);
  if (source.d_model % block == 0 && source.n_neurons % block == 0 &&
      source.first_neuron % block == 0) {
    return Status::Ok();
  }
  return Status(StatusCode::kModelUnsupported,
                "tensor '" + source.down->name + "' is of type " + DTypeName(source.down->type) +
                    ", which needs rows and neurons in multiples of " + std::to_string(block) +
                    "; here are " + std::to_string(source.d_model) + " rows, and " +
                    std::to_string(source.n_neurons) + " neurons from " +
                    std::to_string(source.first_neuron) + " on",
                source.file->path());
}

Result<FfnHandle> CpuTier::Load(const FfnBlockSource& source,
                                std::span<const uint32_t> neurons) {
  RETURN_IF_ERROR(CheckDown(source));
  Part part;
  part.loaded = true;
  part.gated = source.gate != nullptr;
  part.activation = source.activation;
  part.n = static_cast<int64_t>(neurons.size());
  part.d_model = source.d_model;
  RETURN_IF_ERROR(Grow(part.n, part.d_model));

  const PartBytes bytes = BytesOf(source, part.n);
  ASSIGN_OR_RETURN(part.reservation,
                   accountant_->Reserve(static_cast<uint64_t>(bytes.total()), "weights"));
  ASSIGN_OR_RETURN(part.memory, HugeBuffer::Allocate(static_cast<size_t>(bytes.total())));

  // Neuron of the block -> row of this part.
  std::vector<uint32_t> row_of(static_cast<size_t>(source.n_neurons), kNoRow);
  for (size_t p = 0; p < neurons.size(); ++p) row_of[neurons[p]] = static_cast<uint32_t>(p);
  const bool in_file_order =
      part.n == source.n_neurons && std::is_sorted(neurons.begin(), neurons.end());
  const std::span<const uint32_t> rows = in_file_order ? std::span<const uint32_t>() : row_of;

  std::byte* at = part.memory.data();
  if (part.gated) {
    part.gate = Rows(source.gate->type, part.n, part.d_model, at);
    RETURN_IF_ERROR(LoadRows(*source.file, *source.gate, source.first_neuron, source.n_neurons,
                             rows, at));
    at += Aligned(bytes.gate);
  }
  part.up = Rows(source.up->type, part.n, part.d_model, at);
  RETURN_IF_ERROR(
      LoadRows(*source.file, *source.up, source.first_neuron, source.n_neurons, rows, at));
  at += Aligned(bytes.up);
  part.down = MakeNeuronMatrix(source.down->type, DownRows(source, part.n), part.d_model, at);
  const bool whole_down = SharesScales(source.down->type);
  RETURN_IF_ERROR(LoadNeurons(*source.file, *source.down, source.first_neuron, source.n_neurons,
                              whole_down ? std::span<const uint32_t>() : rows, part.down, at));
  if (whole_down && !in_file_order) part.down_row.assign(neurons.begin(), neurons.end());

  const auto load_bias = [&](const TensorInfo* tensor, std::vector<float>* bias) -> Status {
    if (tensor == nullptr) return Status::Ok();
    ASSIGN_OR_RETURN(const std::vector<float> values, LoadVector(*source.file, *tensor));
    bias->reserve(neurons.size());
    for (const uint32_t neuron : neurons) {
      bias->push_back(values[neuron + static_cast<size_t>(source.first_neuron)]);
    }
    return Status::Ok();
  };
  RETURN_IF_ERROR(load_bias(source.gate_bias, &part.gate_bias));
  RETURN_IF_ERROR(load_bias(source.up_bias, &part.up_bias));

  for (size_t i = 0; i < parts_.size(); ++i) {
    if (parts_[i].loaded) continue;
    parts_[i] = std::move(part);
    return static_cast<FfnHandle>(i);
  }
  parts_.push_back(std::move(part));
  return static_cast<FfnHandle>(parts_.size() - 1);
}

void CpuTier::Unload(FfnHandle handle) { parts_[handle] = Part(); }

Status CpuTier::Submit(FfnHandle handle, const FfnWork& work) {
  if (work.input.device != Device::kHost || work.x.n_tokens > max_tokens_) {
    return Status(StatusCode::kInternal, "the cpu tier was given work it cannot hold");
  }
  parts_[handle].work = work;
  return Status::Ok();
}

Status CpuTier::Finish(FfnHandle handle, TensorView y, FfnOutcome* outcome) {
  const Part& part = parts_[handle];
  outcome->bytes_read = 0;
  outcome->fired.assign(static_cast<size_t>(part.work.x.n_tokens), 0);
  if (part.n == 0) return Status::Ok();
  if (part.work.x.n_tokens == 1) {
    RunToken(part, y, outcome);
  } else {
    RunBatch(part, y, outcome);
  }
  return Status::Ok();
}

// --- one token: a lane goes from its gate rows to its partial sum without a pause -------

void CpuTier::RunToken(const Part& part, TensorView y, FfnOutcome* outcome) {
  uint64_t bytes[kLanes] = {};
  uint64_t fired[kLanes] = {};
  const int64_t n_lanes = std::min(kLanes, CeilDiv(part.n, kLaneBlock));
  auto lane_task = [&](int64_t lane, int) { RunLane(part, lane, &bytes[lane], &fired[lane]); };
  pool_.ParallelFor(n_lanes, lane_task);

  float* sum = scratch_.sums.data();
  for (int64_t lane = 1; lane < n_lanes; ++lane) {
    kernels_.add(scratch_.sums.data() + lane * part.d_model, part.d_model, sum);
  }
  kernels_.add(sum, part.d_model, y.f32());
  for (int64_t lane = 0; lane < n_lanes; ++lane) {
    outcome->bytes_read += bytes[lane];
    outcome->fired[0] += fired[lane];
  }
  if (!part.work.h.empty()) {
    std::copy_n(scratch_.first.data(), part.n, part.work.h.data());
  }
}

void CpuTier::RunLane(const Part& part, int64_t lane, uint64_t* bytes, uint64_t* fired) {
  const Activations& x = part.work.x;
  float* const h = scratch_.first.data();      // gate values, then h
  float* const up = scratch_.second.data();
  uint32_t* const positions = scratch_.positions.data() + lane * LaneCapacity(part.n);
  int64_t count = 0;

  for (int64_t begin = lane * kLaneBlock; begin < part.n; begin += kLanes * kLaneBlock) {
    const int64_t n = std::min(kLaneBlock, part.n - begin);
    kernels_.matmul(part.first(), {nullptr, begin, n}, x, h, part.n);
    AddBias(part.first_bias(), begin, n, h + begin);
    *bytes += static_cast<uint64_t>(n * part.first().row_bytes);
    for (int64_t p = begin; p < begin + n; ++p) {
      if (part.work.skip_zeros && h[p] <= 0) {
        h[p] = 0;
      } else {
        positions[count++] = static_cast<uint32_t>(p);
      }
    }
  }
  SetLaneCount(part, lane, count);

  if (part.gated) {
    kernels_.matmul(part.up, {positions, 0, count}, x, up, part.n);
    *bytes += static_cast<uint64_t>(count * part.up.row_bytes);
  }
  // Gathered, so that the activation function sees contiguous values.
  float gathered_gate[kLaneBlock], gathered_up[kLaneBlock];
  for (int64_t i = 0; i < count; i += kLaneBlock) {
    const int64_t n = std::min(kLaneBlock, count - i);
    for (int64_t j = 0; j < n; ++j) {
      const uint32_t p = positions[i + j];
      gathered_gate[j] = h[p];
      if (part.gated) {
        gathered_up[j] = up[p] + (part.up_bias.empty() ? 0.0F : part.up_bias[p]);
        if (part.activation == ActivationFunction::kRelu && gathered_gate[j] > 0) ++*fired;
      }
    }
    kernels_.activate(part.activation, gathered_gate, part.gated ? gathered_up : nullptr, n,
                      gathered_gate);
    for (int64_t j = 0; j < n; ++j) {
      h[positions[i + j]] = gathered_gate[j];
      if (!(part.gated && part.activation == ActivationFunction::kRelu)) {
        *fired += gathered_gate[j] != 0 ? 1 : 0;
      }
    }
  }

  float* const sum = scratch_.sums.data() + lane * part.d_model;
  std::fill_n(sum, part.d_model, 0.0F);
  const NeuronList list = LaneList(part, lane);
  kernels_.accumulate_neurons(part.down, list, h, sum);
  *bytes += DownBytes(part, list);
}

// --- several tokens: rows in chunks, then columns in chunks ------------------------------

void CpuTier::RunBatch(const Part& part, TensorView y, FfnOutcome* outcome) {
  const int64_t n_tokens = part.work.x.n_tokens;
  const int64_t n_chunks = CeilDiv(part.n, kRowChunk);
  std::vector<uint64_t> bytes(static_cast<size_t>(n_chunks), 0);
  auto row_task = [&](int64_t chunk, int) {
    RunRows(part, chunk, &bytes[static_cast<size_t>(chunk)]);
  };
  pool_.ParallelFor(n_chunks, row_task);

  for (int64_t lane = 0; lane < kLanes; ++lane) {
    uint32_t* const positions = scratch_.positions.data() + lane * LaneCapacity(part.n);
    int64_t count = 0;
    for (int64_t begin = lane * kLaneBlock; begin < part.n; begin += kLanes * kLaneBlock) {
      for (int64_t p = begin; p < std::min(part.n, begin + kLaneBlock); ++p) {
        if (scratch_.active[static_cast<size_t>(p)] != 0) {
          positions[count++] = static_cast<uint32_t>(p);
        }
      }
    }
    SetLaneCount(part, lane, count);
    outcome->bytes_read += DownBytes(part, LaneList(part, lane));
  }

  float* const sums = scratch_.sums.data();
  std::fill_n(sums, n_tokens * part.d_model, 0.0F);
  const int64_t column_chunks = CeilDiv(part.d_model, kColumnChunk);
  const int64_t token_chunks = CeilDiv(n_tokens, kTokenChunk);
  auto column_task = [&](int64_t chunk, int) {
    const int64_t c = chunk % column_chunks * kColumnChunk;
    const int64_t t = chunk / column_chunks * kTokenChunk;
    const int64_t n = std::min(kTokenChunk, n_tokens - t);
    // Handed out here, where they are in a cache that is about to read them.
    if (c == 0 && !part.work.h.empty()) {
      std::copy_n(scratch_.first.data() + t * part.n, n * part.n, part.work.h.data() + t * part.n);
    }
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      kernels_.add_neurons(part.down, LaneList(part, lane), scratch_.first.data() + t * part.n,
                           part.n, n, c, std::min(c + kColumnChunk, part.d_model),
                           sums + t * part.d_model, part.d_model);
    }
  };
  pool_.ParallelFor(column_chunks * token_chunks, column_task);

  for (int64_t t = 0; t < n_tokens; ++t) {
    kernels_.add(sums + t * part.d_model, part.d_model, y.f32(t));
    for (int64_t chunk = 0; chunk < n_chunks; ++chunk) {
      outcome->fired[static_cast<size_t>(t)] +=
          scratch_.fired[static_cast<size_t>(chunk * max_tokens_ + t)];
    }
  }
  for (const uint64_t b : bytes) outcome->bytes_read += b;
}

void CpuTier::RunRows(const Part& part, int64_t chunk, uint64_t* bytes) {
  const Activations& x = part.work.x;
  const int64_t begin = chunk * kRowChunk;
  const int64_t n = std::min(kRowChunk, part.n - begin);
  float* const first = scratch_.first.data();
  float* const second = scratch_.second.data();
  uint8_t* const active = scratch_.active.data() + begin;

  kernels_.matmul(part.first(), {nullptr, begin, n}, x, first, part.n);
  *bytes += static_cast<uint64_t>(n * part.first().row_bytes);

  std::fill_n(active, n, part.work.skip_zeros ? uint8_t{0} : uint8_t{1});
  for (int64_t t = 0; t < x.n_tokens; ++t) {
    float* const values = first + t * part.n + begin;
    AddBias(part.first_bias(), begin, n, values);
    if (!part.work.skip_zeros) continue;
    for (int64_t i = 0; i < n; ++i) active[i] |= values[i] <= 0 ? uint8_t{0} : uint8_t{1};
  }

  // The union of what fires decides which up rows are read.
  uint32_t list[kRowChunk];
  int64_t count = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (active[i] != 0) list[count++] = static_cast<uint32_t>(begin + i);
  }
  if (part.gated) {
    const RowSet rows = count == n ? RowSet{nullptr, begin, n} : RowSet{list, 0, count};
    for (int64_t t = 0; t < x.n_tokens; ++t) {
      if (count < n) std::fill_n(second + t * part.n + begin, n, 0.0F);
    }
    kernels_.matmul(part.up, rows, x, second, part.n);
    *bytes += static_cast<uint64_t>(count * part.up.row_bytes);
  }
  for (int64_t t = 0; t < x.n_tokens; ++t) {
    float* const values = first + t * part.n + begin;
    float* const ups = second + t * part.n + begin;
    uint32_t fired = 0;
    const bool by_gate = part.gated && part.activation == ActivationFunction::kRelu;
    if (by_gate) {
      for (int64_t i = 0; i < n; ++i) fired += values[i] > 0 ? 1U : 0U;
    }
    if (part.gated) AddBias(part.up_bias, begin, n, ups);
    kernels_.activate(part.activation, values, part.gated ? ups : nullptr, n, values);
    if (!by_gate) {
      for (int64_t i = 0; i < n; ++i) fired += values[i] != 0 ? 1U : 0U;
    }
    scratch_.fired[static_cast<size_t>(chunk * max_tokens_ + t)] = fired;
  }
}

// --- shared ------------------------------------------------------------------------------

void CpuTier::SetLaneCount(const Part& part, int64_t lane, int64_t count) {
  const int64_t offset = lane * LaneCapacity(part.n);
  scratch_.counts[static_cast<size_t>(lane)] = count;
  if (part.down_row.empty()) return;
  for (int64_t i = offset; i < offset + count; ++i) {
    scratch_.rows[static_cast<size_t>(i)] =
        part.down_row[scratch_.positions[static_cast<size_t>(i)]];
  }
}

NeuronList CpuTier::LaneList(const Part& part, int64_t lane) const {
  const int64_t offset = lane * LaneCapacity(part.n);
  NeuronList list;
  list.positions = scratch_.positions.data() + offset;
  list.rows = part.down_row.empty() ? list.positions : scratch_.rows.data() + offset;
  list.count = scratch_.counts[static_cast<size_t>(lane)];
  return list;
}

uint64_t CpuTier::DownBytes(const Part& part, NeuronList list) const {
  auto bytes = static_cast<uint64_t>(list.count * part.down.row_bytes);
  if (part.down.group_bytes == 0) return bytes;
  int64_t last_group = -1;
  for (int64_t i = 0; i < list.count; ++i) {
    const int64_t group = list.rows[i] / 32;
    if (group != last_group) bytes += static_cast<uint64_t>(part.down.cols * 2);
    last_group = group;
  }
  return bytes;
}

}  // namespace thermocline
