// The kernel suite on AVX-512 without VNNI.
#include "backends/suite_test.h"

TC_SUITE(Avx512, "avx512")
