// What this processor can do, and whether the operating system lets it: wide registers
// need the system to save them, so a CPU flag alone is not enough.
#pragma once

#include <string>

namespace thermocline {

struct CpuFeatures {
  bool avx2 = false;         // AVX2, FMA and F16C, YMM state enabled
  bool avx512 = false;       // AVX-512 F, BW, DQ, VL and all of the above, ZMM state enabled
  bool avx512_vnni = false;  // and VNNI
  bool avx512_bf16 = false;  // and BF16
  bool neon = false;         // 64-bit ARM
};

CpuFeatures DetectCpuFeatures();

// "AMD EPYC 9965 192-Core Processor"; "unknown" when nothing names it.
std::string CpuModelName();

struct CpuTopology {
  int logical = 1;   // hardware threads this process may run on
  int physical = 1;  // distinct cores among them: the best number of threads to start with
};

CpuTopology DetectCpuTopology();

}  // namespace thermocline
