// The kernel suite on AVX-512 with VNNI.
#include "backends/suite_test.h"

TC_SUITE(Avx512Vnni, "avx512-vnni")
