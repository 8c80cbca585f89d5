// The loss that predictors are trained on, and its slope. Of one neuron on one token, with s its
// score, p = 1 / (1 + e^-s) and v = |h| · norm its value, 0 where it does not fire:
//
//   loss = -w log p - log(1 - p),   w = min(v / price, most)
//
// Missing a neuron costs what it would have contributed, predicting one costs 1: the score that
// minimises it is log(expected value / price), on one scale for all neurons and layers.
#pragma once

#include <cstdint>

#include "util/thread_pool.h"

namespace thermocline {

struct LossShape {
  float price = 1;   // the value that pays for one prediction; > 0
  float most = 250;  // caps w, so that no single firing drives a step
};

// Sums the loss over tokens and neurons. In place, scores without their biases become slopes:
// d loss / d score, times `factor`. h [n_tokens][n_ff]: |h| of neurons that fire, else 0;
// biases, norms [n_ff]. Not finite where a score or value is not. The same bits for any thread
// count and processor.
double LogisticLoss(const float* h, const float* norms, const float* biases,
                    const LossShape& shape, float factor, int64_t n_tokens, int64_t n_ff,
                    float* scores, ThreadPool& pool);

}  // namespace thermocline
