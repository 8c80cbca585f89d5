#include "backends/cpu/neon/quant.h"
#include "backends/cpu/neon/neon.h"
#include "backends/cpu/matmul_quant.h"

namespace thermocline::neon {

void Matmul(const RowMatrix& w, RowSet rows, const Activations& x, float* y, int64_t y_stride) {
  MatmulAnyType(w, rows, x, y, y_stride);
}

}  // namespace thermocline::neon
