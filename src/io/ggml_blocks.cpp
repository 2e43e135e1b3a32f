// Types with one scale for 32 elements.
#include "ggml_blocks.h"

namespace peft {
namespace {

constexpr int64_t kBlock = 32;

/// Half a block's elements stand in the low four bits, the other half in the high four.
/// `value(i, q)` turns code q of element i into its number.
template <class Value>
void unpack_nibbles(const std::byte* packed, float* out, Value value) {
  constexpr int64_t kHalf = kBlock / 2;
  for (int64_t i = 0; i < kHalf; ++i) {
    out[i] = value(i, byte_at(packed, i) & 0xF);
    out[i + kHalf] = value(i + kHalf, byte_at(packed, i) >> 4);
  }
}

/// Bit i of 32, as the fifth bit of a code.
int fifth_bit(uint32_t bits, int64_t i) {
  return static_cast<int>(bits >> i & 1u) << 4;
}

}  // namespace

/// x = d (q - 8)
void block_q4_0(const std::byte* in, float* out) {
  const float d = scale_at(in);
  unpack_nibbles(in + 2, out, [d](int64_t, int q) { return d * static_cast<float>(q - 8); });
}

/// x = d q + m
void block_q4_1(const std::byte* in, float* out) {
  const float d = scale_at(in);
  const float m = scale_at(in + 2);
  unpack_nibbles(in + 4, out, [d, m](int64_t, int q) { return scaled(d, q, -m); });
}

/// x = d (q - 16), the highest bits of all codes in front of the others
void block_q5_0(const std::byte* in, float* out) {
  const float d = scale_at(in);
  const auto high = number_at<uint32_t>(in + 2);
  unpack_nibbles(in + 6, out, [=](int64_t i, int q) {
    return d * static_cast<float>((q | fifth_bit(high, i)) - 16);
  });
}

/// x = d q + m
void block_q5_1(const std::byte* in, float* out) {
  const float d = scale_at(in);
  const float m = scale_at(in + 2);
  const auto high = number_at<uint32_t>(in + 4);
  unpack_nibbles(in + 8, out,
                 [=](int64_t i, int q) { return scaled(d, q | fifth_bit(high, i), -m); });
}

/// x = d q
void block_q8_0(const std::byte* in, float* out) {
  const float d = scale_at(in);
  for (int64_t i = 0; i < kBlock; ++i) {
    out[i] = d * static_cast<float>(number_at<int8_t>(in + 2 + i));
  }
}

/// x = d value(q)
void block_iq4_nl(const std::byte* in, float* out) {
  const float d = scale_at(in);
  unpack_nibbles(in + 2, out, [d](int64_t, int q) {
    return d * static_cast<float>(kIq4Values[static_cast<size_t>(q)]);
  });
}

}  // namespace peft
