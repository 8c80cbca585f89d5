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

Status SparseFfn::Append(const std::vector<FfnBlockSource>& blocks, const LayerPlan& plan,
                         LoadList& reads) {
  Layer placed = Split(blocks, plan);
  RETURN_IF_ERROR(Load(blocks, placed, reads));
  layers_.push_back(std::move(placed));
  return Status::Ok();
}

Status SparseFfn::Place(int64_t index, const std::vector<FfnBlockSource>& blocks,
                        const LayerPlan& plan, const LoadOptions& options) {
  Layer placed = Split(blocks, plan);
  const bool first = static_cast<size_t>(index) == layers_.size();
  if (!first && SamePlaces(layers_[static_cast<size_t>(index)], placed)) return Status::Ok();
  LoadList reads;
  RETURN_IF_ERROR(Load(blocks, placed, reads));
  const Status read = reads.Run(options).status();
  if (read.ok()) {
    if (first) layers_.emplace_back();
    std::swap(layers_[static_cast<size_t>(index)], placed);
  }
  Remove(placed);
  return read;
}

// A plan's order says to which tier a neuron belongs. Within a tier neurons ascend by id, and so
// are added up: the bits follow from where neurons live, not from how a plan lists them. A tier
// that holds a whole block then keeps it as the file has it.
SparseFfn::Layer SparseFfn::Split(const std::vector<FfnBlockSource>& blocks,
                                  const LayerPlan& plan) const {
  Layer layer;
  layer.n_neurons = CountNeurons(blocks);
  std::vector<Tier> tier_of(static_cast<size_t>(layer.n_neurons), Tier::kCpu);
  for (size_t p = 0; p < plan.order.size(); ++p) {
    tier_of[plan.order[p]] = TierOf(plan, static_cast<int64_t>(p));
  }
  int64_t first_id = 0;
  for (size_t b = 0; b < blocks.size(); ++b) {
    std::array<PlacedPart, kTiers> parts;
    for (int64_t id = first_id; id < first_id + blocks[b].n_neurons; ++id) {
      parts[static_cast<size_t>(tier_of[static_cast<size_t>(id)])].ids.push_back(
          static_cast<uint32_t>(id));
    }
    for (size_t t = 0; t < kTiers; ++t) {
      if (parts[t].ids.empty()) continue;
      parts[t].tier = tiers_[t];
      parts[t].block = b;
      parts[t].first_id = static_cast<uint32_t>(first_id);
      layer.parts.push_back(std::move(parts[t]));
    }
    first_id += blocks[b].n_neurons;
  }
  if (layer.parts.size() == 1) return layer;
  layer.places.resize(static_cast<size_t>(layer.n_neurons));
  for (size_t p = 0; p < layer.parts.size(); ++p) {
    const std::vector<uint32_t>& ids = layer.parts[p].ids;
    for (size_t i = 0; i < ids.size(); ++i) {
      layer.places[ids[i]] = {static_cast<uint32_t>(p), static_cast<uint32_t>(i)};
    }
  }
  return layer;
}

bool SparseFfn::SamePlaces(const Layer& a, const Layer& b) {
  return a.n_neurons == b.n_neurons &&
         std::equal(a.parts.begin(), a.parts.end(), b.parts.begin(), b.parts.end(),
                    [](const PlacedPart& x, const PlacedPart& y) {
                      return x.tier == y.tier && x.block == y.block && x.ids == y.ids;
                    });
}

Status SparseFfn::Load(const std::vector<FfnBlockSource>& blocks, Layer& layer, LoadList& reads) {
  for (size_t i = 0; i < layer.parts.size(); ++i) {
    PlacedPart& part = layer.parts[i];
    std::vector<uint32_t> neurons = part.ids;
    for (uint32_t& neuron : neurons) neuron -= part.first_id;
    auto handle = part.tier->Load(blocks[part.block], neurons, reads);
    if (!handle.ok()) {
      layer.parts.resize(i);
      Remove(layer);
      return handle.status();
    }
    part.handle = *handle;
  }
  return Status::Ok();
}

void SparseFfn::Remove(Layer& layer) {
  for (const PlacedPart& part : layer.parts) part.tier->Unload(part.handle);
  layer.parts.clear();
}

void SparseFfn::SplitLists(Layer& layer, const ActiveSet& active) {
  const bool in_one_part = layer.places.empty();
  for (PlacedPart& part : layer.parts) {
    part.positions.clear();
    part.ends.clear();
    part.lists.clear();
  }
  for (int64_t t = 0; t < active.n_tokens(); ++t) {
    if (in_one_part) {
      layer.parts[0].lists.push_back(active.Token(t));
      continue;
    }
    for (const uint32_t id : active.Token(t)) {
      const PartPosition place = layer.places[id];
      layer.parts[place.part].positions.push_back(place.position);
    }
    for (PlacedPart& part : layer.parts) part.ends.push_back(part.positions.size());
  }
  if (in_one_part) return;
  for (PlacedPart& part : layer.parts) {
    size_t begin = 0;
    for (const size_t end : part.ends) {
      part.lists.emplace_back(part.positions.data() + begin, end - begin);
      begin = end;
    }
  }
}

std::span<const float> SparseFfn::PartThreshold(const Layer& layer, PlacedPart& part,
                                                std::span<const float> threshold) {
  if (threshold.size() <= 1 || layer.places.empty()) return threshold;
  part.threshold.clear();
  for (const uint32_t id : part.ids) part.threshold.push_back(threshold[id]);
  return part.threshold;
}

Status SparseFfn::Run(int64_t index, const FfnChoice& choice, const TensorView& input,
                      const Activations& x, TensorView y, float* h, FfnTotals* totals) {
  Layer& layer = layers_[static_cast<size_t>(index)];
  totals->fired.assign(static_cast<size_t>(x.n_tokens), 0);
  totals->computed.assign(static_cast<size_t>(x.n_tokens), 0);
  const bool in_one_part = layer.places.empty();  // which then writes h by id
  if (choice.active != nullptr) SplitLists(layer, *choice.active);

  for (PlacedPart& part : layer.parts) {
    FfnWork work;
    work.input = input;
    work.x = x;
    work.skip_zeros = choice.skip_zeros;
    work.threshold = PartThreshold(layer, part, choice.threshold);
    if (choice.active != nullptr) work.lists = part.lists;
    const size_t n_h = static_cast<size_t>(x.n_tokens) * part.ids.size();
    if (h != nullptr && in_one_part) {
      work.h = {h, n_h};
    } else if (h != nullptr) {
      part.h.resize(n_h);
      work.h = part.h;
    }
    RETURN_IF_ERROR(part.tier->Submit(part.handle, work));
  }
  for (PlacedPart& part : layer.parts) {
    FfnOutcome outcome;
    RETURN_IF_ERROR(part.tier->Finish(part.handle, y, &outcome));
    totals->bytes_read[static_cast<size_t>(part.tier->tier())] += outcome.bytes_read;
    for (size_t t = 0; t < outcome.fired.size(); ++t) totals->fired[t] += outcome.fired[t];
    for (size_t t = 0; t < outcome.computed.size(); ++t) {
      totals->computed[t] += outcome.computed[t];
    }
    if (h == nullptr || in_one_part) continue;
    for (int64_t t = 0; t < x.n_tokens; ++t) {
      const float* const part_h = part.h.data() + static_cast<size_t>(t) * part.ids.size();
      for (size_t i = 0; i < part.ids.size(); ++i) {
        h[t * layer.n_neurons + part.ids[i]] = part_h[i];
      }
    }
  }
  return Status::Ok();
}

}  // namespace thermocline
