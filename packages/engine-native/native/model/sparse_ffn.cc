#include "model/sparse_ffn.h"

#include <algorithm>
#include <string>

namespace thermocline {
namespace {

int64_t CountNeurons(const std::vector<FfnBlockSource>& blocks) {
  int64_t n = 0;
  for (const FfnBlockSource& block : blocks) n += block.n_neurons;
  return n;
}

Tier TierOf(const LayerPlan& plan, int64_t position) {
  if (plan.order.empty()) return Tier::kCpu;
  if (position < plan.tier_end[0]) return Tier::kGpu;
  return position < plan.tier_end[1] ? Tier::kCpu : Tier::kFlash;
}

}  // namespace

Status SparseFfn::Validate(const std::vector<std::vector<FfnBlockSource>>& blocks,
                           const Plan& plan) const {
  const auto refuse = [](size_t layer, const std::string& reason) {
    return Status(StatusCode::kInvalidArgument,
                  "the plan's layer " + std::to_string(layer) + " " + reason);
  };
  if (plan.layers.empty()) return Status::Ok();
  if (plan.layers.size() != blocks.size()) {
    return Status(StatusCode::kInvalidArgument,
                  "the plan has " + std::to_string(plan.layers.size()) + " layers, the model " +
                      std::to_string(blocks.size()));
  }
  for (size_t l = 0; l < blocks.size(); ++l) {
    const LayerPlan& layer = plan.layers[l];
    if (layer.order.empty()) {
      if (layer.tier_end[0] == 0 && layer.tier_end[1] == 0) continue;
      return refuse(l, "has tier ends without an order of neurons");
    }
    const int64_t n = CountNeurons(blocks[l]);
    if (static_cast<int64_t>(layer.order.size()) != n) {
      return refuse(l, "orders " + std::to_string(layer.order.size()) + " neurons, the model has " +
                           std::to_string(n));
    }
    std::vector<bool> seen(layer.order.size(), false);
    for (const uint32_t id : layer.order) {
      if (id >= seen.size() || seen[id]) {
        return refuse(l, "is not a permutation of neuron ids (at id " + std::to_string(id) + ")");
      }
      seen[id] = true;
    }
    if (layer.tier_end[0] < 0 || layer.tier_end[1] < layer.tier_end[0] || layer.tier_end[1] > n) {
      return refuse(l, "has tier ends " + std::to_string(layer.tier_end[0]) + ", " +
                           std::to_string(layer.tier_end[1]) + " outside 0 to " +
                           std::to_string(n));
    }
    const int64_t counts[kTiers] = {layer.tier_end[0], layer.tier_end[1] - layer.tier_end[0],
                                    n - layer.tier_end[1]};
    for (int t = 0; t < kTiers; ++t) {
      if (counts[t] == 0 || tiers_[static_cast<size_t>(t)] != nullptr) continue;
      return refuse(l, "places " + std::to_string(counts[t]) + " neurons in the " +
                           TierName(static_cast<Tier>(t)) +
                           " tier, which this engine does not have; solve again for this machine");
    }
  }
  return Status::Ok();
}

Status SparseFfn::Place(int64_t index, const std::vector<FfnBlockSource>& blocks,
                        const LayerPlan& plan) {
  ASSIGN_OR_RETURN(Layer placed, PlaceParts(blocks, plan));
  if (static_cast<size_t>(index) == layers_.size()) layers_.emplace_back();
  Layer& layer = layers_[static_cast<size_t>(index)];
  std::swap(layer, placed);
  Remove(placed);
  return Status::Ok();
}

Result<SparseFfn::Layer> SparseFfn::PlaceParts(const std::vector<FfnBlockSource>& blocks,
                                               const LayerPlan& plan) {
  Layer layer;
  layer.n_neurons = CountNeurons(blocks);
  int64_t first_id = 0;
  for (const FfnBlockSource& block : blocks) {
    // The block's own neurons in the order of the layer; tiers follow each other in it.
    std::vector<uint32_t> order;
    int64_t ends[kTiers] = {0, 0, 0};
    if (plan.order.empty()) {
      ends[static_cast<size_t>(Tier::kCpu)] = block.n_neurons;
    } else {
      for (size_t p = 0; p < plan.order.size(); ++p) {
        const int64_t neuron = int64_t{plan.order[p]} - first_id;
        if (neuron < 0 || neuron >= block.n_neurons) continue;
        order.push_back(static_cast<uint32_t>(neuron));
        ends[static_cast<size_t>(TierOf(plan, static_cast<int64_t>(p)))] =
            static_cast<int64_t>(order.size());
      }
    }
    int64_t begin = 0;
    for (size_t t = 0; t < kTiers; ++t) {
      const int64_t end = ends[t];
      if (end <= begin) continue;
      PlacedPart part;
      part.tier = tiers_[t];
      part.n = end - begin;
      auto handle = part.tier->Load(block, FfnPart{order, begin, end});
      if (!handle.ok()) {
        Remove(layer);
        return handle.status();
      }
      part.handle = *handle;
      for (int64_t p = begin; p < end; ++p) {
        const int64_t neuron = order.empty() ? p : int64_t{order[static_cast<size_t>(p)]};
        part.ids.push_back(static_cast<uint32_t>(first_id + neuron));
      }
      layer.parts.push_back(std::move(part));
      begin = end;
    }
    first_id += block.n_neurons;
  }
  if (layer.parts.size() == 1) {
    const std::vector<uint32_t>& ids = layer.parts.front().ids;
    layer.by_id = std::is_sorted(ids.begin(), ids.end());  // all of them, hence 0, 1, 2, …
  }
  return layer;
}

void SparseFfn::Remove(Layer& layer) {
  for (const PlacedPart& part : layer.parts) part.tier->Unload(part.handle);
  layer.parts.clear();
}

Status SparseFfn::Run(int64_t index, Mode mode, const TensorView& input, const Activations& x,
                      TensorView y, float* h, FfnTotals* totals) {
  Layer& layer = layers_[static_cast<size_t>(index)];
  totals->fired.assign(static_cast<size_t>(x.n_tokens), 0);

  for (PlacedPart& part : layer.parts) {
    FfnWork work;
    work.input = input;
    work.x = x;
    work.skip_zeros = mode == Mode::kExact;
    if (h != nullptr && layer.by_id) {
      work.h = {h, static_cast<size_t>(x.n_tokens * part.n)};
    } else if (h != nullptr) {
      part.h.resize(static_cast<size_t>(x.n_tokens * part.n));
      work.h = part.h;
    }
    RETURN_IF_ERROR(part.tier->Submit(part.handle, work));
  }
  for (PlacedPart& part : layer.parts) {
    FfnOutcome outcome;
    RETURN_IF_ERROR(part.tier->Finish(part.handle, y, &outcome));
    totals->bytes_read[static_cast<size_t>(part.tier->tier())] += outcome.bytes_read;
    for (size_t t = 0; t < outcome.fired.size(); ++t) totals->fired[t] += outcome.fired[t];
    if (h == nullptr || layer.by_id) continue;
    for (int64_t t = 0; t < x.n_tokens; ++t) {
      for (int64_t p = 0; p < part.n; ++p) {
        h[t * layer.n_neurons + part.ids[static_cast<size_t>(p)]] =
            part.h[static_cast<size_t>(t * part.n + p)];
      }
    }
  }
  return Status::Ok();
}

}  // namespace thermocline
