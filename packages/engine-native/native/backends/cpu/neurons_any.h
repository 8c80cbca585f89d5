// Adding up rows of the down matrix, of every weight type: the entries of a set. Included after an
// instruction set's words.h.
#pragma once

#include "backends/cpu/k_neurons.h"
#include "backends/cpu/neurons_quant.h"

namespace thermocline {
namespace {

TC_INLINE void AccumulateQuantized(const NeuronMatrix& w, const NeuronList& list, const float* h,
                                   float* y) {
  const bool own = w.group_bytes == 0;
  if (w.type == DType::kQ8_0) {
    return own ? AccumulateQuant<ByteWords, true>(w, list, h, 0, w.cols, y)
               : AccumulateQuant<ByteWords, false>(w, list, h, 0, w.cols, y);
  }
  return own ? AccumulateQuant<NibbleWords, true>(w, list, h, 0, w.cols, y)
             : AccumulateQuant<NibbleWords, false>(w, list, h, 0, w.cols, y);
}

TC_INLINE void AddQuantizedNeurons(const SumTile& tile, int64_t n_tokens, int64_t col_begin,
                                   int64_t col_end) {
  const bool own = tile.w.group_bytes == 0;
  if (tile.w.type == DType::kQ8_0) {
    return own ? SumQuantTokens<ByteWords, true>(tile, n_tokens, col_begin, col_end)
               : SumQuantTokens<ByteWords, false>(tile, n_tokens, col_begin, col_end);
  }
  return own ? SumQuantTokens<NibbleWords, true>(tile, n_tokens, col_begin, col_end)
             : SumQuantTokens<NibbleWords, false>(tile, n_tokens, col_begin, col_end);
}

TC_INLINE void AccumulateAnyType(const NeuronMatrix& w, const NeuronList& list, const float* h,
                                 float* y) {
  switch (w.type) {
    case DType::kF32: return AccumulatePlain<DType::kF32>(w, list, h, y);
    case DType::kF16: return AccumulatePlain<DType::kF16>(w, list, h, y);
    case DType::kBF16: return AccumulatePlain<DType::kBF16>(w, list, h, y);
    case DType::kQ8_0:
    case DType::kQ4_0: return AccumulateQuantized(w, list, h, y);
    case DType::kQ4_K:
    case DType::kQ5_K:
    case DType::kQ6_K: return AccumulateKQuant(w, list, h, y);
  }
}

TC_INLINE void AddNeuronsAnyType(const SumTile& tile, int64_t n_tokens, int64_t col_begin,
                                 int64_t col_end) {
  switch (tile.w.type) {
    case DType::kF32:
      return SumPlainTokens<DType::kF32>(tile, n_tokens, col_begin, col_end);
    case DType::kF16:
      return SumPlainTokens<DType::kF16>(tile, n_tokens, col_begin, col_end);
    case DType::kBF16:
      return SumPlainTokens<DType::kBF16>(tile, n_tokens, col_begin, col_end);
    case DType::kQ8_0:
    case DType::kQ4_0: return AddQuantizedNeurons(tile, n_tokens, col_begin, col_end);
    case DType::kQ4_K:
    case DType::kQ5_K:
    case DType::kQ6_K: return AddKQuantNeurons(tile, n_tokens, col_begin, col_end);
  }
}

}  // namespace
}  // namespace thermocline
