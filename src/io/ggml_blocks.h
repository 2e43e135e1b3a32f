#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "peft/io/float_formats.h"

namespace peft {

// One block of each quantised type as float32; sizes and names stand in ggml_types.cpp.

void block_q4_0(const std::byte* in, float* out);
void block_q4_1(const std::byte* in, float* out);
void block_q5_0(const std::byte* in, float* out);
void block_q5_1(const std::byte* in, float* out);
void block_q8_0(const std::byte* in, float* out);
void block_iq4_nl(const std::byte* in, float* out);

void block_q2_k(const std::byte* in, float* out);
void block_q3_k(const std::byte* in, float* out);
void block_q4_k(const std::byte* in, float* out);
void block_q5_k(const std::byte* in, float* out);
void block_q6_k(const std::byte* in, float* out);
void block_iq4_xs(const std::byte* in, float* out);

/// What the sixteen codes of IQ4_NL and IQ4_XS stand for.
inline constexpr std::array<int8_t, 16> kIq4Values = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                      1,    13,   25,  38,  53,  69,  89,  113};

/// A little-endian number inside a block.
template <class T>
T number_at(const std::byte* bytes) {
  T value{};
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

/// A half-precision scale inside a block.
inline float scale_at(const std::byte* bytes) {
  return float_from_half(number_at<uint16_t>(bytes));
}

inline int byte_at(const std::byte* bytes, int64_t i) {
  return std::to_integer<int>(bytes[i]);
}

/// d q - m, the product rounded before the difference.
inline float scaled(float d, int q, float m) {
  const float product = d * static_cast<float>(q);
  return product - m;
}

}  // namespace peft
