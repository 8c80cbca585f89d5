#include "backends/cpu/avx512/words.h"
#include "backends/cpu/avx512/avx512.h"
#include "backends/cpu/neurons_any.h"

namespace thermocline::avx512 {

void AccumulateNeuronsVnni(const NeuronMatrix& w, NeuronList list, const float* h, float* y) {
  if (BlockElements(w.type) == 1) return AccumulateNeurons(w, list, h, y);
  if (IsKQuant(w.type)) return AccumulateKQuant(w, list, h, y);
  AccumulateQuantized(w, list, h, y);
}

void AddNeuronsVnni(const NeuronMatrix& w, NeuronList list, const float* h, int64_t h_stride,
                    int64_t n_tokens, int64_t col_begin, int64_t col_end, float* y,
                    int64_t y_stride) {
  if (BlockElements(w.type) == 1) {
    return AddNeurons(w, list, h, h_stride, n_tokens, col_begin, col_end, y, y_stride);
  }
  const SumTile tile{w, list, h, h_stride, y, y_stride};
  if (IsKQuant(w.type)) return AddKQuantNeurons(tile, n_tokens, col_begin, col_end);
  AddQuantizedNeurons(tile, n_tokens, col_begin, col_end);
}

}  // namespace thermocline::avx512
