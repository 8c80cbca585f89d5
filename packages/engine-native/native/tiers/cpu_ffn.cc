#include "tiers/cpu_ffn.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace thermocline {
namespace {

// Ascending rows; as a range, which streams better, where none is missing.
RowSet RowsOf(const uint32_t* rows, int64_t n) {
  if (n > 0 && rows[n - 1] - rows[0] == n - 1) return {nullptr, rows[0], n};
  return {rows, 0, n};
}

}  // namespace

uint64_t CpuFfn::ScratchBytes(int64_t neurons, int64_t d_model, int64_t max_tokens) {
  const int64_t chunks = CeilDiv(neurons, kRowChunk);
  const int64_t floats = 2 * max_tokens * neurons + std::max(kLanes, max_tokens) * d_model;
  const int64_t lists = 2 * kLanes * LaneCapacity(neurons);
  const int64_t marks = chunks * (max_tokens * 16 + 8);  // a mask and two counts per token
  return static_cast<uint64_t>(4 * (floats + lists) + marks + kLanes * 8);
}

Status CpuFfn::Grow(int64_t neurons, int64_t d_model, Accountant& accountant) {
  if (neurons <= scratch_.neurons && d_model <= scratch_.d_model) return Status::Ok();
  Scratch grown;
  grown.neurons = std::max(neurons, scratch_.neurons);
  grown.d_model = std::max(d_model, scratch_.d_model);
  scratch_ = Scratch();  // gives the old reservation back first
  ASSIGN_OR_RETURN(grown.reservation,
                   accountant.Reserve(ScratchBytes(grown.neurons, grown.d_model, max_tokens_),
                                      "scratch"));
  const auto n = static_cast<size_t>(grown.neurons);
  const auto tokens = static_cast<size_t>(max_tokens_);
  grown.first.resize(tokens * n);
  grown.second.resize(tokens * n);
  grown.sums.resize(static_cast<size_t>(std::max(kLanes, max_tokens_) * grown.d_model));
  grown.positions.resize(static_cast<size_t>(kLanes * LaneCapacity(grown.neurons)));
  grown.rows.resize(grown.positions.size());
  grown.counts.resize(kLanes);
  grown.active.resize(static_cast<size_t>(CeilDiv(grown.neurons, kRowChunk)));
  grown.masks.resize(grown.active.size() * tokens);
  grown.fired.resize(grown.masks.size());
  grown.computed.resize(grown.masks.size());
  scratch_ = std::move(grown);
  return Status::Ok();
}

void CpuFfn::Run(const CpuPart& part, TensorView y, FfnOutcome* outcome) {
  const auto n_tokens = static_cast<size_t>(part.work.x.n_tokens);
  *outcome = FfnOutcome();
  outcome->fired.assign(n_tokens, 0);
  outcome->computed.assign(n_tokens, 0);
  if (part.n == 0) return;
  if (n_tokens == 1) {
    RunToken(part, y, outcome);
  } else {
    RunBatch(part, y, outcome);
  }
}

void CpuFfn::RunToken(const CpuPart& part, TensorView y, FfnOutcome* outcome) {
  if (part.work.listed()) DealList(part);
  Counts counts[kLanes];
  const int64_t n_lanes = LanesOf(part.n);
  auto lane_task = [&](int64_t lane, int) { counts[lane] = RunLane(part, lane); };
  pool_.ParallelFor(n_lanes, lane_task);

  AddLanes(part, y.f32());
  for (int64_t lane = 0; lane < n_lanes; ++lane) {
    outcome->bytes_read += counts[lane].bytes;
    outcome->fired[0] += counts[lane].fired;
    outcome->computed[0] += counts[lane].computed;
  }
  if (!part.work.h.empty()) CopyTokenH(part);
}

void CpuFfn::AddLanes(const CpuPart& part, float* y) {
  constexpr int64_t kColumns = 1024;  // enough to be worth a thread
  auto column_task = [&](int64_t chunk, int) {
    const int64_t c = chunk * kColumns;
    const int64_t n = std::min(kColumns, part.d_model - c);
    float* const sum = scratch_.sums.data() + c;
    for (int64_t lane = 1; lane < LanesOf(part.n); ++lane) {
      kernels_.add(sum + lane * part.d_model, n, sum);
    }
    kernels_.add(sum, n, y + c);
  };
  pool_.ParallelFor(CeilDiv(part.d_model, kColumns), column_task);
}

// One pass over what is listed: nothing here looks at the neurons that are not.
void CpuFfn::DealList(const CpuPart& part) {
  int64_t counts[kLanes] = {};
  const int64_t capacity = LaneCapacity(part.n);
  uint32_t* const positions = scratch_.positions.data();
  for (const uint32_t position : part.work.lists[0]) {
    const int64_t lane = position / capacity;
    positions[lane * capacity + counts[lane]++] = position;
  }
  std::copy_n(counts, kLanes, scratch_.counts.data());
}

CpuFfn::Counts CpuFfn::RunLane(const CpuPart& part, int64_t lane) {
  Counts counts;
  uint32_t* const positions = LanePositions(part, lane);
  int64_t n = RunFirst(part, lane, counts);
  if (part.gated) {
    kernels_.matmul(part.up, RowsOf(positions, n), part.work.x, scratch_.second.data(), part.n);
    counts.bytes += static_cast<uint64_t>(n * part.up.row_bytes);
  }
  n = RunActivation(part, positions, n, counts);
  SetLaneCount(part, lane, n);

  float* const sum = scratch_.sums.data() + lane * part.d_model;
  std::fill_n(sum, part.d_model, 0.0F);
  const NeuronList list = LaneList(part, lane);
  kernels_.accumulate_neurons(part.down, list, scratch_.first.data(), sum);
  counts.bytes += DownBytes(part, list);
  return counts;
}

int64_t CpuFfn::RunFirst(const CpuPart& part, int64_t lane, Counts& counts) {
  const Activations& x = part.work.x;
  const RowMatrix& first = part.first();
  float* const h = scratch_.first.data();
  uint32_t* const positions = LanePositions(part, lane);
  int64_t candidates = 0;
  int64_t kept = 0;
  if (part.work.listed()) {
    candidates = scratch_.counts[static_cast<size_t>(lane)];
    kernels_.matmul(first, {positions, 0, candidates}, x, h, part.n);
    AddBias(part.first_bias(), positions, candidates, h);
    kept = Keep(part, positions, candidates, h, positions);
  } else {
    const int64_t begin = lane * LaneCapacity(part.n);
    candidates = std::min(LaneCapacity(part.n), part.n - begin);
    kernels_.matmul(first, {nullptr, begin, candidates}, x, h, part.n);
    AddBias(part.first_bias(), begin, candidates, h + begin);
    for (int64_t i = 0; i < candidates; ++i) positions[i] = static_cast<uint32_t>(begin + i);
    kept = Keep(part, positions, candidates, h, positions);
  }
  counts.bytes += static_cast<uint64_t>(candidates * first.row_bytes);
  counts.computed = static_cast<uint64_t>(part.work.threshold.empty() ? candidates : kept);
  return kept;
}

// What stays out has h = 0. `kept` may be `from`. Values that are no numbers go on, to be seen.
int64_t CpuFfn::Keep(const CpuPart& part, const uint32_t* from, int64_t n, float* h,
                     uint32_t* kept) {
  const FfnWork& work = part.work;
  int64_t count = 0;
  for (int64_t i = 0; i < n; i += kLaneBlock) {
    const int64_t m = std::min(kLaneBlock, n - i);
    float strength[kLaneBlock] = {};
    if (!work.threshold.empty()) {
      for (int64_t j = 0; j < m; ++j) strength[j] = h[from[i + j]];
      kernels_.activate(part.activation, strength, nullptr, m, strength);
    }
    for (int64_t j = 0; j < m; ++j) {
      const uint32_t p = from[i + j];
      const bool out = (work.skip_zeros && h[p] <= 0) ||
                       (!work.threshold.empty() && std::fabs(strength[j]) <= work.ThresholdAt(p));
      if (out) h[p] = 0;
      kept[count] = p;
      count += out ? 0 : 1;
    }
  }
  return count;
}

// Gathered, so that the activation function sees contiguous values.
int64_t CpuFfn::RunActivation(const CpuPart& part, uint32_t* positions, int64_t n,
                              Counts& counts) {
  float* const h = scratch_.first.data();
  const float* const up = scratch_.second.data();
  int64_t kept = 0;
  for (int64_t i = 0; i < n; i += kLaneBlock) {
    const int64_t m = std::min(kLaneBlock, n - i);
    float gates[kLaneBlock], ups[kLaneBlock];
    for (int64_t j = 0; j < m; ++j) {
      const uint32_t p = positions[i + j];
      gates[j] = h[p];
      if (part.gated) ups[j] = up[p] + (part.up_bias.empty() ? 0.0F : part.up_bias[p]);
      if (part.fires_by_gate() && gates[j] > 0) ++counts.fired;
    }
    kernels_.activate(part.activation, gates, part.gated ? ups : nullptr, m, gates);
    for (int64_t j = 0; j < m; ++j) {
      const uint32_t p = positions[i + j];
      const bool zero = gates[j] == 0;
      h[p] = gates[j];
      if (!part.fires_by_gate() && !zero) ++counts.fired;
      positions[kept] = p;
      kept += part.skips_zero_ups() && zero ? 0 : 1;
    }
  }
  return kept;
}

void CpuFfn::CopyTokenH(const CpuPart& part) {
  const std::span<float> h = part.work.h;
  if (!part.work.listed()) {
    std::copy_n(scratch_.first.data(), part.n, h.data());
    return;
  }
  std::fill(h.begin(), h.end(), 0.0F);
  for (const uint32_t p : part.work.lists[0]) h[p] = scratch_.first[p];
}

// --- shared ------------------------------------------------------------------------------

void CpuFfn::SetLaneCount(const CpuPart& part, int64_t lane, int64_t count) {
  const int64_t offset = lane * LaneCapacity(part.n);
  scratch_.counts[static_cast<size_t>(lane)] = count;
  if (part.down_row.empty()) return;
  for (int64_t i = offset; i < offset + count; ++i) {
    scratch_.rows[static_cast<size_t>(i)] =
        part.down_row[scratch_.positions[static_cast<size_t>(i)]];
  }
}

NeuronList CpuFfn::LaneList(const CpuPart& part, int64_t lane) const {
  const int64_t offset = lane * LaneCapacity(part.n);
  NeuronList list;
  list.positions = scratch_.positions.data() + offset;
  list.rows = part.down_row.empty() ? list.positions : scratch_.rows.data() + offset;
  list.count = scratch_.counts[static_cast<size_t>(lane)];
  return list;
}

uint64_t CpuFfn::DownBytes(const CpuPart& part, NeuronList list) {
  const NeuronMatrix& down = part.down;
  auto bytes = static_cast<uint64_t>(list.count * down.row_bytes);
  if (down.group_bytes == 0) return bytes;
  // K-quants have scales of a group, and others of eight groups beside them.
  const int64_t scale_bytes = down.group_bytes - 32 * down.row_bytes;
  const int64_t super_bytes = down.super_bytes == 0 ? 0 : down.super_bytes - 8 * down.group_bytes;
  int64_t last_group = -1;
  for (int64_t i = 0; i < list.count; ++i) {
    const int64_t group = list.rows[i] / 32;
    if (group == last_group) continue;
    bytes += static_cast<uint64_t>(scale_bytes);
    if (last_group < 0 || group / 8 != last_group / 8) bytes += static_cast<uint64_t>(super_bytes);
    last_group = group;
  }
  return bytes;
}

}  // namespace thermocline
