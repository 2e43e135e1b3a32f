#include <cstring>
#include <stdexcept>

#include "peft/io/float_formats.h"
#include "peft/io/gguf.h"

namespace peft {
namespace {

constexpr int64_t kBlock = 32;  // elements of every quantised block

uint16_t u16_at(const std::byte* bytes) {
  uint16_t value = 0;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

float scale_at(const std::byte* bytes) {
  return float_from_half(u16_at(bytes));
}

/// Half a block's elements stand in the low four bits, the other half in the high four.
template <class Value>
void unpack_nibbles(const std::byte* packed, float* out, Value value) {
  for (int64_t i = 0; i < kBlock / 2; ++i) {
    const auto byte = std::to_integer<int>(packed[i]);
    out[i] = value(byte & 0xF);
    out[i + kBlock / 2] = value(byte >> 4);
  }
}

/// x = d (q - 8)
void block_q4_0(const std::byte* in, float* out) {
  const float d = scale_at(in);
  unpack_nibbles(in + 2, out, [d](int q) { return d * static_cast<float>(q - 8); });
}

/// x = d q + m, the product rounded before the sum
void block_q4_1(const std::byte* in, float* out) {
  const float d = scale_at(in);
  const float m = scale_at(in + 2);
  unpack_nibbles(in + 4, out, [d, m](int q) {
    const float product = d * static_cast<float>(q);
    return product + m;
  });
}

/// x = d q
void block_q8_0(const std::byte* in, float* out) {
  const float d = scale_at(in);
  for (int64_t i = 0; i < kBlock; ++i) {
    out[i] = d * static_cast<float>(std::to_integer<int8_t>(in[2 + i]));
  }
}

void one_element(GgmlType type, const std::byte* in, float* out) {
  if (type == GgmlType::kF32) {
    std::memcpy(out, in, sizeof *out);
  } else {
    *out = type == GgmlType::kF16 ? float_from_half(u16_at(in)) : float_from_bfloat16(u16_at(in));
  }
}

}  // namespace

int64_t block_elements(GgmlType type) {
  const bool plain = type == GgmlType::kF32 || type == GgmlType::kF16 || type == GgmlType::kBF16;
  return plain ? 1 : kBlock;
}

int64_t block_bytes(GgmlType type) {
  switch (type) {
    case GgmlType::kF32:
      return 4;
    case GgmlType::kF16:
    case GgmlType::kBF16:
      return 2;
    case GgmlType::kQ4_0:
      return 2 + kBlock / 2;
    case GgmlType::kQ4_1:
      return 4 + kBlock / 2;
    case GgmlType::kQ8_0:
      return 2 + kBlock;
  }
  throw std::logic_error("unknown GgmlType");
}

void dequantize(GgmlType type, std::span<const std::byte> source, std::span<float> destination) {
  const auto elements = static_cast<size_t>(block_elements(type));
  const auto bytes = static_cast<size_t>(block_bytes(type));
  const size_t blocks = destination.size() / elements;
  if (blocks * elements != destination.size() || blocks * bytes != source.size()) {
    throw std::logic_error("dequantize: the source does not hold the destination's blocks");
  }
  for (size_t i = 0; i < blocks; ++i) {
    const std::byte* const in = source.data() + i * bytes;
    float* const out = destination.data() + i * elements;
    switch (type) {
      case GgmlType::kQ4_0:
        block_q4_0(in, out);
        break;
      case GgmlType::kQ4_1:
        block_q4_1(in, out);
        break;
      case GgmlType::kQ8_0:
        block_q8_0(in, out);
        break;
      default:
        one_element(type, in, out);
    }
  }
}

}  // namespace peft
