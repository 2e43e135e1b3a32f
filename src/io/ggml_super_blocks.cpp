// Types with 256 elements in a block: one or two half-precision numbers, and a small scale of its
// own for every 16 or 32 elements.
#include "ggml_blocks.h"

namespace peft {
namespace {

constexpr int64_t kElements = 256;

/// Two bits of element i, where each run of `4 * width` elements shares `width` bytes: the first
/// `width` elements of the run hold bits 0 and 1, the next bits 2 and 3, and so on.
int two_bits(const std::byte* packed, int64_t i) {
  constexpr int64_t kWidth = 32;
  const int64_t run = i / (4 * kWidth);
  return byte_at(packed, run * kWidth + i % kWidth) >> (2 * (i / kWidth % 4)) & 3;
}

/// Four bits of element i: runs of 2 * `width` elements, the first half of a run in the low bits.
int four_bits(const std::byte* packed, int64_t i, int64_t width) {
  const int64_t run = i / (2 * width);
  return byte_at(packed, run * width + i % width) >> (4 * (i / width % 2)) & 0xF;
}

/// One bit of element i: 32 bytes hold a bit of 8 runs of 32 elements.
int one_bit(const std::byte* packed, int64_t i) {
  return byte_at(packed, i % 32) >> (i / 32) & 1;
}

/// The eight scales and minima of Q4_K and Q5_K, six bits each in twelve bytes.
struct ScaleAndMinimum {
  int scale, minimum;
};

ScaleAndMinimum scale_and_minimum(const std::byte* packed, int64_t group) {
  if (group < 4) {
    return {byte_at(packed, group) & 0x3F, byte_at(packed, group + 4) & 0x3F};
  }
  const int low = byte_at(packed, group + 4);
  return {(low & 0xF) | (byte_at(packed, group - 4) >> 2 & 0x30),
          low >> 4 | (byte_at(packed, group) >> 2 & 0x30)};
}

/// The sixteen scales of Q3_K: four low bits in eight bytes, two high bits in four more.
int q3_scale(const std::byte* packed, int64_t group) {
  const int low = byte_at(packed, group % 8) >> (4 * (group / 8)) & 0xF;
  const int high = byte_at(packed, 8 + group % 4) >> (2 * (group / 4)) & 3;
  return (low | high << 4) - 32;
}

/// The eight scales of IQ4_XS: four low bits in four bytes, two high bits in one number.
int iq4_scale(uint16_t high, const std::byte* low, int64_t group) {
  const int bits = byte_at(low, group / 2) >> (4 * (group % 2)) & 0xF;
  return (bits | (high >> (2 * group) & 3) << 4) - 32;
}

/// Calls use(group, begin, end) for each run of `size` elements.
template <int64_t size, class Use>
void for_groups(Use use) {
  for (int64_t group = 0; group < kElements / size; ++group) {
    use(group, group * size, (group + 1) * size);
  }
}

}  // namespace

/// x = d s q - m t: 16 bytes of scales s (low bits) and t, 64 of codes, then d and m
void block_q2_k(const std::byte* in, float* out) {
  const float d = scale_at(in + 80);
  const float m = scale_at(in + 82);
  for_groups<16>([&](int64_t group, int64_t begin, int64_t end) {
    const int scales = byte_at(in, group);
    const float step = d * static_cast<float>(scales & 0xF);
    const float minimum = m * static_cast<float>(scales >> 4);
    for (int64_t i = begin; i < end; ++i) {
      out[i] = scaled(step, two_bits(in + 16, i), minimum);
    }
  });
}

/// x = d s q: 32 bytes of high bits (a bit that is not set takes 4 off), 64 of codes, 12 of scales,
/// then d
void block_q3_k(const std::byte* in, float* out) {
  const float d = scale_at(in + 108);
  for_groups<16>([&](int64_t group, int64_t begin, int64_t end) {
    const float step = d * static_cast<float>(q3_scale(in + 96, group));
    for (int64_t i = begin; i < end; ++i) {
      const int q = two_bits(in + 32, i) - (one_bit(in, i) == 0 ? 4 : 0);
      out[i] = step * static_cast<float>(q);
    }
  });
}

/// x = d s q - m t: d, m, 12 bytes of scales s and t, 128 of codes
void block_q4_k(const std::byte* in, float* out) {
  const float d = scale_at(in);
  const float m = scale_at(in + 2);
  for_groups<32>([&](int64_t group, int64_t begin, int64_t end) {
    const ScaleAndMinimum scales = scale_and_minimum(in + 4, group);
    const float step = d * static_cast<float>(scales.scale);
    const float minimum = m * static_cast<float>(scales.minimum);
    for (int64_t i = begin; i < end; ++i) {
      out[i] = scaled(step, four_bits(in + 16, i, /*width=*/32), minimum);
    }
  });
}

/// x = d s q - m t: d, m, 12 bytes of scales s and t, 32 of high bits, 128 of low bits
void block_q5_k(const std::byte* in, float* out) {
  const float d = scale_at(in);
  const float m = scale_at(in + 2);
  for_groups<32>([&](int64_t group, int64_t begin, int64_t end) {
    const ScaleAndMinimum scales = scale_and_minimum(in + 4, group);
    const float step = d * static_cast<float>(scales.scale);
    const float minimum = m * static_cast<float>(scales.minimum);
    for (int64_t i = begin; i < end; ++i) {
      const int q = four_bits(in + 48, i, /*width=*/32) | one_bit(in + 16, i) << 4;
      out[i] = scaled(step, q, minimum);
    }
  });
}

/// x = d s (q - 32): 128 bytes of low bits, 64 of high bits, 16 scales, then d
void block_q6_k(const std::byte* in, float* out) {
  const float d = scale_at(in + 208);
  for_groups<16>([&](int64_t group, int64_t begin, int64_t end) {
    const float step = d * static_cast<float>(number_at<int8_t>(in + 192 + group));
    for (int64_t i = begin; i < end; ++i) {
      const int q = four_bits(in, i, /*width=*/64) | two_bits(in + 128, i) << 4;
      out[i] = step * static_cast<float>(q - 32);
    }
  });
}

/// x = d s value(q): d, 2 bytes of high and 4 of low bits of the scales, 128 of codes
void block_iq4_xs(const std::byte* in, float* out) {
  const float d = scale_at(in);
  const auto high = number_at<uint16_t>(in + 2);
  for_groups<32>([&](int64_t group, int64_t begin, int64_t end) {
    const float step = d * static_cast<float>(iq4_scale(high, in + 4, group));
    for (int64_t i = begin; i < end; ++i) {
      const auto q = static_cast<size_t>(four_bits(in + 8, i, /*width=*/16));
      out[i] = step * static_cast<float>(kIq4Values[q]);
    }
  });
}

}  // namespace peft
