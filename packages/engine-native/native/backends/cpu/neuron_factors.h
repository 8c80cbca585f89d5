// Runs of quantised neurons and what they are multiplied by: 16-bit fixed point with a step that
// follows from the set's largest factor, so that silent neurons never matter. Included after an
// instruction set's words.h.
#pragma once

#include "backends/cpu/neuron_dots.h"

namespace thermocline {
namespace {

// Whether no set is met again after another: then leaving out silent neurons cannot join two runs
// of one set.
template <bool kOwn>
TC_INLINE bool SetsAscend(const NeuronList& list) {
  for (int64_t i = 1; i < list.count; ++i) {
    if (list.rows[i] / kSetRows<kOwn> < list.rows[i - 1] / kSetRows<kOwn>) return false;
  }
  return true;
}

// Takes the next run off a list. With h given, entries with h == 0 are passed over, as they would
// part a set's run in two where sets do not ascend.
template <bool kOwn>
TC_INLINE void TakeRun(const NeuronMatrix& w, const NeuronList& list, const float* h,
                       int64_t* next, NeuronRun<kOwn>* run) {
  int64_t n = 0;
  run->set = -1;
  for (; *next < list.count && n < kSetRows<kOwn>; ++*next) {
    const int64_t row = list.rows[*next];
    const uint32_t position = list.positions[*next];
    if (h != nullptr && h[position] == 0) continue;
    if (n == 0) run->set = row / kSetRows<kOwn>;
    if (row / kSetRows<kOwn> != run->set) break;
    run->rows[n] = kOwn ? w.data + row * w.stride
                        : w.data + run->set * w.group_bytes + row % kSetRows<kOwn> * w.row_bytes;
    run->positions[n++] = position;
  }
  run->count = n;
  if (n % 2 != 0) run->rows[n] = run->rows[n - 1];  // stands in, with a factor of zero
}

// From -32768 to 32767, NaN too: sums of a set then never leave 32 bits.
TC_INLINE I32 ToFactor(F32 f, F32 inverse) { return ToInt(Min(Mul(f, inverse), Set(32767.0F))); }

// Shared scales: the factors are h.
TC_INLINE void MakeFactors(const NeuronRun<false>& run, const float* h,
                           RunFactors<false>* factors) {
  constexpr int64_t kPairs = NeuronRun<false>::kPairs;
  float values[2][kPairs];  // of first and of second rows
  for (int64_t i = 0; i < kPairs; i += kLanes) {
    Store(values[0] + i, Zero());
    Store(values[1] + i, Zero());
  }
  for (int64_t i = 0; i < run.count; ++i) {
    values[i % 2][i / 2] = h[run.positions[i]];
  }
  I32 largest = SetInt(0);
  for (int64_t i = 0; i < kPairs; i += kLanes) {
    largest = MaxInt(largest, MaxInt(AbsBits(Load(values[0] + i)), AbsBits(Load(values[1] + i))));
  }
  largest = SetInt(ReduceMaxInt(largest));
  F32 inverse;
  const F32 step = StepOf(largest, &inverse);
  I32 sum = SetInt(0);
  for (int64_t i = 0; i < kPairs; i += kLanes) {
    const I32 a = ToFactor(Load(values[0] + i), inverse);
    const I32 b = ToFactor(Load(values[1] + i), inverse);
    StoreInts(factors->pairs + i, PairInts(a, b));
    sum = AddInt(sum, AddInt(a, b));
  }
  factors->sums[0] = ReduceAddInt(sum);
  float steps[kLanes];
  Store(steps, step);
  factors->steps[0] = steps[0];
}

// Own scales: the factors are h * scale, by block; n_blocks of them from `block` on. scales: where a
// row has them.
TC_INLINE void MakeFactors(const NeuronRun<true>& run, const float* h, int64_t scales,
                           int64_t block, int64_t n_blocks, RunFactors<true>* factors) {
  for (int64_t b = 0; b < n_blocks; b += kLanes) {
    const int64_t n = MinOf(kLanes, n_blocks - b);
    float products[2 * NeuronRun<true>::kPairs * kLanes];
    I32 largest = SetInt(0);
    for (int64_t i = 0; i < run.count; ++i) {
      const std::byte* const from = run.rows[i] + scales + 2 * (block + b);
      const F32 scale = n == kLanes ? LoadF16(from) : LoadF16Part(from, n);
      const F32 product = Mul(scale, Set(h[run.positions[i]]));
      largest = MaxInt(largest, AbsBits(product));
      Store(products + i * kLanes, product);
    }
    if (run.count % 2 != 0) Store(products + run.count * kLanes, Zero());
    F32 inverse;
    Store(factors->steps + b, StepOf(largest, &inverse));
    I32 sum = SetInt(0);
    for (int64_t i = 0; i < run.pairs(); ++i) {
      const float* const pair = products + 2 * i * kLanes;
      const I32 first = ToFactor(Load(pair), inverse);
      const I32 second = ToFactor(Load(pair + kLanes), inverse);
      StoreInts(factors->pairs + i * kPanelBlocks + b, PairInts(first, second));
      sum = AddInt(sum, AddInt(first, second));
    }
    StoreInts(factors->sums + b, sum);
  }
}

}  // namespace
}  // namespace thermocline
