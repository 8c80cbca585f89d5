// Predictor weights in the types that a predictor set can hold.
#pragma once

#include <cstdint>

#include "io/artifact_reader.h"
#include "util/status.h"
#include "util/thread_pool.h"

namespace thermocline {

// values [rows][cols] -> the same in `type`. F16 and BF16 round to nearest even; I8: one scale per
// row, the largest magnitude over 127; Q8_0 and Q4_0: the bytes that GGUF's reference quantiser
// gives. kInvalidArgument when cols does not fit the type's blocks or a weight does not fit the
// type's range or is not finite.
Result<PredictorMatrix> Quantise(PredictorType type, const float* values, int64_t rows,
                                 int64_t cols, ThreadPool& pool);

// The weights that a matrix stands for, [rows][cols]. REQUIRES: a well-formed matrix.
void Dequantise(const PredictorMatrix& matrix, float* values, ThreadPool& pool);

}  // namespace thermocline
