#include "peft/io/float_formats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace peft {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(FloatFormats, EveryHalfSurvivesTheWayThereAndBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = float_from_half(static_cast<uint16_t>(bits));
    if (!std::isnan(value)) {
      EXPECT_EQ(half_from_float(value), bits);
    }
  }
}

TEST(FloatFormats, KnowsHalvesByTheirBits) {
  EXPECT_EQ(float_from_half(0x3C00), 1.0f);
  EXPECT_EQ(float_from_half(0x0001), 0x1p-24f);
  EXPECT_EQ(float_from_half(0x03FF), 0x3FFp-24f);
  EXPECT_EQ(float_from_half(0x7BFF), 65504.0f);
  EXPECT_EQ(float_from_half(0xFC00), -kInfinity);
  EXPECT_TRUE(std::signbit(float_from_half(0x8000)));
}

TEST(FloatFormats, RoundsToTheNearestHalfAndTiesToEven) {
  EXPECT_EQ(half_from_float(1.0f + 0x1p-11f), 0x3C00);  // half-way to the next, even below
  EXPECT_EQ(half_from_float(1.0f + 0x3p-11f), 0x3C02);  // half-way, even above
  EXPECT_EQ(half_from_float(0x1p-25f), 0x0000);
  EXPECT_EQ(half_from_float(0x3p-25f), 0x0002);
  EXPECT_EQ(half_from_float(0x1.FFFp-15f), 0x0400);  // the largest subnormal rounds up to 2^-14
  EXPECT_EQ(half_from_float(65519.0f), 0x7BFF);
  EXPECT_EQ(half_from_float(65520.0f), 0x7C00);
  EXPECT_EQ(half_from_float(-1e9f), 0xFC00);
  EXPECT_EQ(half_from_float(std::numeric_limits<float>::quiet_NaN()), 0x7E00);
}

TEST(FloatFormats, RoundsToTheNearestBfloat16AndTiesToEven) {
  EXPECT_EQ(bfloat16_from_float(1.0f), 0x3F80);
  EXPECT_EQ(bfloat16_from_float(1.0f + 0x1p-8f), 0x3F80);
  EXPECT_EQ(bfloat16_from_float(1.0f + 0x3p-8f), 0x3F82);
  EXPECT_EQ(bfloat16_from_float(std::numeric_limits<float>::max()), 0x7F80);
  EXPECT_EQ(bfloat16_from_float(-kInfinity), 0xFF80);
  EXPECT_EQ(bfloat16_from_float(-std::numeric_limits<float>::quiet_NaN()), 0x7FC0);
  EXPECT_EQ(float_from_bfloat16(0xC040), -3.0f);
}

}  // namespace
}  // namespace peft
