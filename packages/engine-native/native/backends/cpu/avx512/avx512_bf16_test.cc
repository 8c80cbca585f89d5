// The kernel suite on AVX-512 with VNNI and products of BF16 pairs.
#include "backends/suite_test.h"

TC_SUITE(Avx512Bf16, "avx512-bf16")
