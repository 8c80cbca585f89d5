// The kernel suite on NEON.
#include "backends/suite_test.h"

TC_SUITE(Neon, "neon")
