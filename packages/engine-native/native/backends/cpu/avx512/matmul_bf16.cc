#include "backends/cpu/avx512/avx512.h"
#include "backends/cpu/avx512/pairs.h"
#include "backends/cpu/matmul_pairs.h"

namespace thermocline::avx512 {

void MatmulBf16(const RowMatrix& w, RowSet rows, const Activations& x, float* y,
                int64_t y_stride) {
  if (w.type != DType::kBF16 || x.bf16 == nullptr) return MatmulVnni(w, rows, x, y, y_stride);
  if (rows.count <= 0 || x.n_tokens <= 0) return;
  MatmulElements<Bf16Pairs>(w, rows, {x.bf16, x.cols, x.n_tokens}, y, y_stride);
}

void F32ToBf16(const float* x, int64_t n, uint16_t* out) { RoundToPairs(x, n, out); }

}  // namespace thermocline::avx512
