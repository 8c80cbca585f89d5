#include "backends/cpu/avx2/vector.h"
#include "backends/cpu/avx2/avx2.h"
#include "backends/cpu/elementwise.h"
#include "backends/cpu/signs.h"

namespace thermocline::avx2 {

void Quantize(const float* x, int64_t n, int8_t* q, float* scale, int32_t* sum, int32_t* first) {
  QuantizeRow(x, n, q, scale, sum, first);
}

void RmsNorm(const float* x, const float* weight, int64_t n, float epsilon, float* out) {
  RmsNormOf(x, weight, n, epsilon, out);
}

void LayerNorm(const float* x, const float* weight, const float* bias, int64_t n, float epsilon,
               float* out) {
  LayerNormOf(x, weight, bias, n, epsilon, out);
}

void Activate(ActivationFunction f, const float* gate, const float* up, int64_t n, float* h) {
  ActivateAny(f, gate, up, n, h);
}

void Add(const float* x, int64_t n, float* y) { AddTo(x, n, y); }

void F32ToF16(const float* x, int64_t n, uint16_t* out) { NarrowToF16(x, n, out); }

void SignScores(const uint64_t* rows, int64_t n, int64_t words, int64_t columns, const uint64_t* x,
                float* scores) {
  ScoreSigns(rows, n, words, columns, x, scores);
}

void WidenRow(const RowMatrix& w, int64_t row, float* out) { WidenAnyType(w, row, out); }

}  // namespace thermocline::avx2
