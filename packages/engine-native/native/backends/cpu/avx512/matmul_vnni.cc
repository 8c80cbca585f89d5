#include "backends/cpu/avx512/avx512.h"
#include "backends/cpu/avx512/quant.h"
#include "backends/cpu/matmul_quant.h"

namespace thermocline::avx512 {

void MatmulVnni(const RowMatrix& w, RowSet rows, const Activations& x, float* y,
                int64_t y_stride) {
  if (rows.count <= 0 || x.n_tokens <= 0) return;
  switch (w.type) {
    case DType::kQ8_0: return MatmulQuant<Q8>(w, rows, x, y, y_stride);
    case DType::kQ4_0: return MatmulQuant<Q4>(w, rows, x, y, y_stride);
    case DType::kQ4_K: return MatmulQuant<Q4K>(w, rows, x, y, y_stride);
    case DType::kQ5_K: return MatmulQuant<Q5K>(w, rows, x, y, y_stride);
    case DType::kQ6_K: return MatmulQuant<Q6K>(w, rows, x, y, y_stride);
    default: return Matmul(w, rows, x, y, y_stride);
  }
}

}  // namespace thermocline::avx512
