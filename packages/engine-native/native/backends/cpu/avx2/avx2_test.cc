// The kernel suite on AVX2.
#include "backends/suite_test.h"

TC_SUITE(Avx2, "avx2")
