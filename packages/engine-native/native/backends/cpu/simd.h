// What every vector set starts from.
//
// The kernels are written once, over a small vocabulary (F32, Load, Fma, ReduceAdd, ...)
// that each instruction set defines in its vector.h and quant.h. All of it lives in unnamed
// namespaces and includes no standard header with code in it: a function compiled for
// AVX-512 must never be the one copy the linker keeps for callers on older processors.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "backends/kernels.h"

#define TC_INLINE inline __attribute__((always_inline))

#if defined(__clang__)
#define TC_UNROLL _Pragma("clang loop unroll(full)")
#else
#define TC_UNROLL _Pragma("GCC unroll 16")
#endif

namespace thermocline {
namespace {

constexpr int64_t kBlock = 32;  // elements of a quantisation block
constexpr int64_t kPanel = 16;  // blocks of a panel

TC_INLINE int64_t MinOf(int64_t a, int64_t b) { return a < b ? a : b; }

TC_INLINE void Prefetch(const std::byte* p) { __builtin_prefetch(p, 0, 2); }

}  // namespace
}  // namespace thermocline
