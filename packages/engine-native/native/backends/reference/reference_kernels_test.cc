// The kernel suite on the scalar reference: the suite's own calibration.
#include "backends/suite_test.h"

TC_SUITE(Reference, "scalar")
