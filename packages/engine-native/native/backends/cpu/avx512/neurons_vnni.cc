#include "backends/cpu/avx512/words.h"
#include "backends/cpu/avx512/avx512.h"
#include "backends/cpu/neurons_quant.h"

namespace thermocline::avx512 {

void AccumulateNeuronsVnni(const NeuronMatrix& w, NeuronList list, const float* h, float* y) {
  if (w.type != DType::kQ8_0 && w.type != DType::kQ4_0) return AccumulateNeurons(w, list, h, y);
  AccumulateQuantized(w, list, h, y);
}

void AddNeuronsVnni(const NeuronMatrix& w, NeuronList list, const float* h, int64_t h_stride,
                    int64_t n_tokens, int64_t col_begin, int64_t col_end, float* y,
                    int64_t y_stride) {
  if (w.type != DType::kQ8_0 && w.type != DType::kQ4_0) {
    return AddNeurons(w, list, h, h_stride, n_tokens, col_begin, col_end, y, y_stride);
  }
  AddQuantizedNeurons({w, list, h, h_stride, y, y_stride}, n_tokens, col_begin, col_end);
}

}  // namespace thermocline::avx512
