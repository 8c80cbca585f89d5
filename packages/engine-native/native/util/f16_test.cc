#include "util/f16.h"

#include <bit>
#include <cmath>

#include "util/testing.h"

namespace thermocline {
namespace {

// The value of a half from its definition.
double Definition(uint32_t bits) {
  const int exponent = static_cast<int>((bits >> 10) & 31);
  const int mantissa = static_cast<int>(bits & 1023);
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

TEST(F16, EveryHalfThereAndBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = F16ToF32(half);
    if ((bits & 0x7FFF) > 0x7C00) {
      EXPECT_TRUE(std::isnan(value));
      EXPECT_EQ(F32ToF16(value), half | 0x0200);  // made quiet
      continue;
    }
    if ((bits & 0x7FFF) == 0x7C00) {
      EXPECT_TRUE(std::isinf(value));
    } else {
      EXPECT_EQ(static_cast<double>(value), Definition(bits));
    }
    EXPECT_EQ(std::signbit(value), bits >= 0x8000);
    EXPECT_EQ(F32ToF16(value), half);
  }
}

TEST(F16, RoundsToNearestEven) {
  for (uint32_t bits = 0; bits < 0x7C00; ++bits) {
    const double low = Definition(bits);
    const double high = Definition(bits + 1);  // for the last finite one: 65536, the overflow
    const auto middle = static_cast<float>((low + high) / 2);  // exact
    const uint32_t even = bits % 2 == 0 ? bits : bits + 1;
    EXPECT_EQ(F32ToF16(middle), even);
    EXPECT_EQ(F32ToF16(std::nextafter(middle, 0.0F)), bits);
    EXPECT_EQ(F32ToF16(std::nextafter(middle, 1e9F)), bits + 1);
    EXPECT_EQ(F32ToF16(-middle), even | 0x8000);
  }
  EXPECT_EQ(F32ToF16(1e30F), 0x7C00);
  EXPECT_EQ(F32ToF16(-1e-30F), 0x8000);
}

TEST(BF16, RoundsToNearestEven) {
  EXPECT_EQ(F32ToBF16(1.0F), 0x3F80);
  EXPECT_EQ(F32ToBF16(std::bit_cast<float>(0x3F808000U)), 0x3F80);  // halfway, down to even
  EXPECT_EQ(F32ToBF16(std::bit_cast<float>(0x3F818000U)), 0x3F82);  // halfway, up to even
  EXPECT_EQ(F32ToBF16(std::bit_cast<float>(0x3F808001U)), 0x3F81);
  EXPECT_EQ(F32ToBF16(std::bit_cast<float>(0x7F7FFFFFU)), 0x7F80);  // overflows
  EXPECT_TRUE(std::isnan(BF16ToF32(F32ToBF16(std::bit_cast<float>(0x7F800001U)))));
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = BF16ToF32(static_cast<uint16_t>(bits));
    EXPECT_EQ(std::bit_cast<uint32_t>(value), bits << 16);
    if (!std::isnan(value)) EXPECT_EQ(F32ToBF16(value), bits);
  }
}

}  // namespace
}  // namespace thermocline
