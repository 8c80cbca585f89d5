// Where the neurons of a layer live: the part of a placement plan the engine needs.
#pragma once

#include <cstdint>
#include <vector>

namespace thermocline {

// The storage order (position -> neuron id) and the two tier ends: gpu holds positions
// [0, e0), cpu [e0, e1), flash the rest. An empty order, with ends of 0, means
// the model file's and all of it on the cpu.
struct LayerPlan {
  std::vector<uint32_t> order;
  int64_t tier_end[2] = {0, 0};
};

struct Plan {
  std::vector<LayerPlan> layers;
};

}  // namespace thermocline
