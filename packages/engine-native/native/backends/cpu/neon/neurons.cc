#include "backends/cpu/neon/words.h"
#include "backends/cpu/neon/neon.h"
#include "backends/cpu/neurons_any.h"

namespace thermocline::neon {

void AccumulateNeurons(const NeuronMatrix& w, NeuronList list, const float* h, float* y) {
  AccumulateAnyType(w, list, h, y);
}

void AddNeurons(const NeuronMatrix& w, NeuronList list, const float* h, int64_t h_stride,
                int64_t n_tokens, int64_t col_begin, int64_t col_end, float* y,
                int64_t y_stride) {
  AddNeuronsAnyType({w, list, h, h_stride, y, y_stride}, n_tokens, col_begin, col_end);
}

}  // namespace thermocline::neon
