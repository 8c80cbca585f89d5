// How what a sparse model computes compares with what fires, from the very hidden states it has.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace thermocline {

// Sums over tokens. A neuron fires where its activation h is not zero.
struct PredictionAudit {
  struct Layer {
    uint64_t firing = 0;
    uint64_t predicted = 0;   // computed, whether they fire or not
    uint64_t hits = 0;        // both
    double firing_value = 0;  // Σ |h|·‖down column‖ over what fires, and over the hits
    double hit_value = 0;

    // One token: all that fires, and what of it was computed; h, both [n_ff] by neuron id.
    void Count(const float* firing_h, const float* computed_h, const std::vector<double>& norms) {
      for (size_t i = 0; i < norms.size(); ++i) {
        if (firing_h[i] == 0) continue;
        const double value = std::fabs(static_cast<double>(firing_h[i])) * norms[i];
        ++firing;
        firing_value += value;
        if (computed_h[i] == 0) continue;
        ++hits;
        hit_value += value;
      }
    }
    void Add(const Layer& other) {
      firing += other.firing;
      predicted += other.predicted;
      hits += other.hits;
      firing_value += other.firing_value;
      hit_value += other.hit_value;
    }
  };
  int64_t tokens = 0;
  std::vector<Layer> layers;  // none: not asked for

  void Add(const PredictionAudit& other) {
    tokens += other.tokens;
    layers.resize(std::max(layers.size(), other.layers.size()));
    for (size_t i = 0; i < other.layers.size(); ++i) layers[i].Add(other.layers[i]);
  }
};

}  // namespace thermocline
