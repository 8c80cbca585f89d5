#include "backends/cpu/avx2/quant.h"
#include "backends/cpu/avx2/avx2.h"
#include "backends/cpu/matmul_quant.h"

namespace thermocline::avx2 {

void Matmul(const RowMatrix& w, RowSet rows, const Activations& x, float* y, int64_t y_stride) {
  MatmulAnyType(w, rows, x, y, y_stride);
}

}  // namespace thermocline::avx2
