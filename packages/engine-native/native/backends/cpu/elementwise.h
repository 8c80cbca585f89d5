// Norms, activation functions and conversions. An element's bits do not depend on
// its place: short ends go through the same vector operations, with the missing lanes
// masked. Included after an instruction set's vector.h.
#pragma once

#include "backends/cpu/neurons.h"

namespace thermocline {
namespace {

// e^x: 2^n times a polynomial of what is left after n = round(x log2 e); about 1 ulp. The
// power goes in as two halves, so that subnormal results are rounded once. NaN stays NaN.
TC_INLINE F32 Exp(F32 x) {
  x = Max(Set(-104.0F), Min(Set(89.0F), x));
  const F32 n = RoundEven(Mul(x, Set(1.44269504F)));
  F32 r = Fma(n, Set(-0.693359375F), x);  // ln 2 in two parts, the first exact in a product
  r = Fma(n, Set(2.12194440e-4F), r);
  F32 p = Set(1.0F / 5040.0F);
  p = Fma(p, r, Set(1.0F / 720.0F));
  p = Fma(p, r, Set(1.0F / 120.0F));
  p = Fma(p, r, Set(1.0F / 24.0F));
  p = Fma(p, r, Set(1.0F / 6.0F));
  p = Fma(p, r, Set(0.5F));
  p = Fma(Mul(p, r), r, r);
  p = Add(p, Set(1.0F));
  const I32 power = ToInt(n);
  const I32 half = HalfInt(power);
  return Mul(Mul(p, Pow2(half)), Pow2(SubInt(power, half)));
}

// x / (1 + e^-u)
TC_INLINE F32 Gated(F32 x, F32 u) {
  const F32 one = Set(1.0F);
  return Div(x, Add(one, Exp(Sub(Zero(), u))));
}

// Abramowitz and Stegun, 7.1.26; absolute error below 2e-7.
TC_INLINE F32 Erf(F32 x) {
  const F32 a = Abs(x);
  const F32 t = Div(Set(1.0F), Fma(Set(0.3275911F), a, Set(1.0F)));
  F32 p = Set(1.061405429F);
  p = Fma(p, t, Set(-1.453152027F));
  p = Fma(p, t, Set(1.421413741F));
  p = Fma(p, t, Set(-0.284496736F));
  p = Fma(p, t, Set(0.254829592F));
  const F32 tail = Mul(Mul(p, t), Exp(Sub(Zero(), Mul(a, a))));
  return SignOf(x, Sub(Set(1.0F), tail));
}

TC_INLINE F32 ActivationOf(ActivationFunction f, F32 x) {
  switch (f) {
    case ActivationFunction::kRelu:
    case ActivationFunction::kDoubleRelu: return ZeroUnlessPositive(x, x);
    case ActivationFunction::kSilu: return Gated(x, x);
    case ActivationFunction::kGelu:
      return Mul(Mul(Set(0.5F), x), Add(Set(1.0F), Erf(Mul(x, Set(0.70710678F)))));
    case ActivationFunction::kGeluTanh: {
      // (1 + tanh u) / 2 = 1 / (1 + e^-2u)
      const F32 cubic = Fma(Mul(Mul(x, x), x), Set(0.044715F), x);
      return Gated(x, Mul(cubic, Set(1.59576912F)));
    }
    case ActivationFunction::kReluSquared: return ZeroUnlessPositive(x, Mul(x, x));
  }
  return x;
}

// The activation of a gate times its up value.
template <ActivationFunction F>
TC_INLINE F32 GatedBy(F32 a, F32 up) {
  return Mul(a, F == ActivationFunction::kDoubleRelu ? ActivationOf(F, up) : up);
}

template <ActivationFunction F>
TC_INLINE void ActivateAll(const float* gate, const float* up, int64_t n, float* h) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const F32 a = ActivationOf(F, Load(gate + i));
    Store(h + i, up != nullptr ? GatedBy<F>(a, Load(up + i)) : a);
  }
  if (i < n) {
    const F32 a = ActivationOf(F, LoadPart(gate + i, n - i));
    StorePart(h + i, up != nullptr ? GatedBy<F>(a, LoadPart(up + i, n - i)) : a, n - i);
  }
}

TC_INLINE void ActivateAny(ActivationFunction f, const float* gate, const float* up, int64_t n,
                           float* h) {
  switch (f) {
    case ActivationFunction::kRelu:
      return ActivateAll<ActivationFunction::kRelu>(gate, up, n, h);
    case ActivationFunction::kSilu:
      return ActivateAll<ActivationFunction::kSilu>(gate, up, n, h);
    case ActivationFunction::kGelu:
      return ActivateAll<ActivationFunction::kGelu>(gate, up, n, h);
    case ActivationFunction::kGeluTanh:
      return ActivateAll<ActivationFunction::kGeluTanh>(gate, up, n, h);
    case ActivationFunction::kReluSquared:
      return ActivateAll<ActivationFunction::kReluSquared>(gate, up, n, h);
    case ActivationFunction::kDoubleRelu:
      return ActivateAll<ActivationFunction::kDoubleRelu>(gate, up, n, h);
  }
}

TC_INLINE void AddTo(const float* x, int64_t n, float* y) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) Store(y + i, Add(Load(y + i), Load(x + i)));
  if (i < n) StorePart(y + i, Add(LoadPart(y + i, n - i), LoadPart(x + i, n - i)), n - i);
}

TC_INLINE float RootReciprocal(float x) { return 1.0F / __builtin_sqrtf(x); }

TC_INLINE void RmsNormOf(const float* x, const float* weight, int64_t n, float epsilon,
                         float* out) {
  F32 squares = Zero();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) squares = Fma(Load(x + i), Load(x + i), squares);
  if (i < n) {
    const F32 v = LoadPart(x + i, n - i);
    squares = Fma(v, v, squares);
  }
  const F32 factor = Set(RootReciprocal(ReduceAdd(squares) / static_cast<float>(n) + epsilon));
  for (i = 0; i + kLanes <= n; i += kLanes) {
    Store(out + i, Mul(Mul(Load(x + i), factor), Load(weight + i)));
  }
  if (i < n) {
    const F32 v = Mul(LoadPart(x + i, n - i), factor);
    StorePart(out + i, Mul(v, LoadPart(weight + i, n - i)), n - i);
  }
}

TC_INLINE void LayerNormOf(const float* x, const float* weight, const float* bias, int64_t n,
                           float epsilon, float* out) {
  F32 sum = Zero();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sum = Add(sum, Load(x + i));
  if (i < n) sum = Add(sum, LoadPart(x + i, n - i));
  const F32 mean = Set(ReduceAdd(sum) / static_cast<float>(n));

  F32 squares = Zero();
  for (i = 0; i + kLanes <= n; i += kLanes) {
    const F32 d = Sub(Load(x + i), mean);
    squares = Fma(d, d, squares);
  }
  if (i < n) {
    const F32 d = KeepFirst(Sub(LoadPart(x + i, n - i), mean), n - i);
    squares = Fma(d, d, squares);
  }
  const F32 factor = Set(RootReciprocal(ReduceAdd(squares) / static_cast<float>(n) + epsilon));
  for (i = 0; i + kLanes <= n; i += kLanes) {
    const F32 v = Mul(Sub(Load(x + i), mean), factor);
    Store(out + i, Fma(v, Load(weight + i), Load(bias + i)));
  }
  if (i < n) {
    const F32 v = Mul(Sub(LoadPart(x + i, n - i), mean), factor);
    StorePart(out + i, Fma(v, LoadPart(weight + i, n - i), LoadPart(bias + i, n - i)), n - i);
  }
}

// One block of 32, its quants side by side.
TC_INLINE void QuantizeBlock(const float* x, int8_t* q, float* scale, int32_t* sum,
                             int32_t* first) {
  constexpr int kVectors = static_cast<int>(kBlock / kLanes);
  F32 values[kVectors];
  F32 most = Zero();
  F32 faults = Zero();  // zero times a finite value is zero, times any other NaN
  TC_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    values[v] = Load(x + v * kLanes);
    most = Max(most, Abs(values[v]));
    faults = Fma(values[v], Zero(), faults);
  }
  *scale = ReduceMax(most) / 127.0F + ReduceAdd(faults);
  if (!(*scale > 0)) {
    for (int64_t i = 0; i < kBlock; ++i) q[i] = 0;
    *sum = 0;
    *first = 0;
    return;
  }
  const F32 divisor = Set(*scale);
  I32 halves[2] = {ToInt(Zero()), ToInt(Zero())};
  TC_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    // Among subnormals the scale itself is rounded, so a quant could pass 127.
    const F32 quant = Max(Set(-127.0F), Min(Set(127.0F), Div(values[v], divisor)));
    const I32 rounded = ToInt(quant);
    StoreInt8(q + v * kLanes, rounded);
    halves[2 * v / kVectors] = AddInt(halves[2 * v / kVectors], rounded);
  }
  *first = ReduceAddInt(halves[0]);
  *sum = *first + ReduceAddInt(halves[1]);
}

TC_INLINE void QuantizeRow(const float* x, int64_t n, int8_t* q, float* scale, int32_t* sum,
                           int32_t* first) {
  constexpr int64_t kWord = 4;
  for (int64_t left = n / kBlock; left > 0; left -= kPanel) {
    const int64_t lanes = MinOf(left, kPanel);
    for (int64_t lane = 0; lane < lanes; ++lane, x += kBlock) {
      int8_t block[kBlock];
      QuantizeBlock(x, block, scale++, sum++, first++);
      TC_UNROLL
      for (int64_t v = 0; v < kBlock / kWord; ++v) {
        __builtin_memcpy(q + (v * lanes + lane) * kWord, block + v * kWord, kWord);
      }
    }
    q += lanes * kBlock;
  }
}

TC_INLINE void NarrowToF16(const float* x, int64_t n, uint16_t* out) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) StoreF16(out + i, Load(x + i));
  if (i < n) StoreF16Part(out + i, LoadPart(x + i, n - i), n - i);
}

template <DType T>
TC_INLINE void WidenPlain(const std::byte* row, int64_t n, float* out) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) Store(out + i, LoadElements<T>(row, i));
  if (i < n) StorePart(out + i, LoadElementsPart<T>(row, i, n - i), n - i);
}

template <DType T>
constexpr int64_t kQuantBlockBytes = T == DType::kQ8_0 ? 32 : 16;

template <DType T>
TC_INLINE void LoadQuants(const std::byte* p, F32 (&v)[kBlockVectors]) {
  if constexpr (T == DType::kQ8_0) {
    LoadQ8(p, v);
  } else {
    LoadQ4(p, v);
  }
}

template <DType T>
TC_INLINE void WidenQuants(const std::byte* panel, int64_t n, float* out) {
  constexpr int64_t kWord = 4, kBytes = kQuantBlockBytes<T>;
  for (int64_t left = n / kBlock; left > 0; left -= kPanel) {
    const int64_t lanes = MinOf(left, kPanel);
    const std::byte* const words = panel + 2 * lanes;
    for (int64_t lane = 0; lane < lanes; ++lane, out += kBlock) {
      std::byte block[kBytes];
      TC_UNROLL
      for (int64_t v = 0; v < kBytes / kWord; ++v) {
        __builtin_memcpy(block + v * kWord, words + (v * lanes + lane) * kWord, kWord);
      }
      F32 v[kBlockVectors];
      LoadQuants<T>(block, v);
      const F32 scale = SetF16(panel + 2 * lane);
      TC_UNROLL
      for (int i = 0; i < kBlockVectors; ++i) Store(out + i * kLanes, Mul(scale, v[i]));
    }
    panel += lanes * (2 + kBytes);
  }
}

TC_INLINE void WidenAnyType(const RowMatrix& w, int64_t row, float* out) {
  const std::byte* const data = w.data + row * w.stride;
  switch (w.type) {
    case DType::kF32: return WidenPlain<DType::kF32>(data, w.cols, out);
    case DType::kF16: return WidenPlain<DType::kF16>(data, w.cols, out);
    case DType::kBF16: return WidenPlain<DType::kBF16>(data, w.cols, out);
    case DType::kQ8_0: return WidenQuants<DType::kQ8_0>(data, w.cols, out);
    case DType::kQ4_0: return WidenQuants<DType::kQ4_0>(data, w.cols, out);
    case DType::kQ4_K:
    case DType::kQ5_K:
    case DType::kQ6_K: return ReferenceKernels().widen_row(w, row, out);
  }
}

}  // namespace
}  // namespace thermocline
