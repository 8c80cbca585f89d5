// From the layouts of model files to the layouts that kernels read. Lossless: every
// quant and scale is kept, only their places change.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backends/kernels.h"
#include "util/dtype.h"

namespace thermocline {

// Bytes of one row of `cols` elements in the file. REQUIRES: cols % BlockElements(type) == 0.
int64_t FileRowBytes(DType type, int64_t cols);
// The same in a RowMatrix: as many, except that the 6-bit scales of Q4_K and Q5_K take a byte each.
int64_t RowBytes(DType type, int64_t cols);

// A matrix over `data`, whose rows follow each other.
RowMatrix MakeRowMatrix(DType type, int64_t rows, int64_t cols, const std::byte* data);

// Copies n rows from file layout to RowMatrix layout. `out` holds n * RowBytes; it may be
// file_rows, and otherwise does not overlap them.
void PackRows(DType type, const std::byte* file_rows, int64_t n, int64_t cols, std::byte* out);

}  // namespace thermocline
