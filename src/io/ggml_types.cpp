#include "peft/io/ggml_types.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <vector>

#include "ggml_blocks.h"
#include "peft/util/text.h"

namespace peft {
namespace {

void one_f32(const std::byte* in, float* out) {
  *out = number_at<float>(in);
}

void one_f16(const std::byte* in, float* out) {
  *out = float_from_half(number_at<uint16_t>(in));
}

void one_bf16(const std::byte* in, float* out) {
  *out = float_from_bfloat16(number_at<uint16_t>(in));
}

// Those that can be read first; of the others only the name is known.
constexpr std::array<GgmlType, 34> kTypes = {{{0, "F32", 1, 4, one_f32},
                                              {1, "F16", 1, 2, one_f16},
                                              {30, "BF16", 1, 2, one_bf16},
                                              {8, "Q8_0", 32, 34, block_q8_0},
                                              {2, "Q4_0", 32, 18, block_q4_0},
                                              {3, "Q4_1", 32, 20, block_q4_1},
                                              {6, "Q5_0", 32, 22, block_q5_0},
                                              {7, "Q5_1", 32, 24, block_q5_1},
                                              {10, "Q2_K", 256, 84, block_q2_k},
                                              {11, "Q3_K", 256, 110, block_q3_k},
                                              {12, "Q4_K", 256, 144, block_q4_k},
                                              {13, "Q5_K", 256, 176, block_q5_k},
                                              {14, "Q6_K", 256, 210, block_q6_k},
                                              {20, "IQ4_NL", 32, 18, block_iq4_nl},
                                              {23, "IQ4_XS", 256, 136, block_iq4_xs},
                                              {9, "Q8_1", 0, 0, nullptr},
                                              {15, "Q8_K", 0, 0, nullptr},
                                              {16, "IQ2_XXS", 0, 0, nullptr},
                                              {17, "IQ2_XS", 0, 0, nullptr},
                                              {18, "IQ3_XXS", 0, 0, nullptr},
                                              {19, "IQ1_S", 0, 0, nullptr},
                                              {21, "IQ3_S", 0, 0, nullptr},
                                              {22, "IQ2_S", 0, 0, nullptr},
                                              {24, "I8", 0, 0, nullptr},
                                              {25, "I16", 0, 0, nullptr},
                                              {26, "I32", 0, 0, nullptr},
                                              {27, "I64", 0, 0, nullptr},
                                              {28, "F64", 0, 0, nullptr},
                                              {29, "IQ1_M", 0, 0, nullptr},
                                              {34, "TQ1_0", 0, 0, nullptr},
                                              {35, "TQ2_0", 0, 0, nullptr},
                                              {39, "MXFP4", 0, 0, nullptr},
                                              {40, "NVFP4", 0, 0, nullptr},
                                              {41, "Q1_0", 0, 0, nullptr}}};

}  // namespace

const GgmlType* find_ggml_type(uint32_t number) {
  const auto* const found = std::find_if(
      kTypes.begin(), kTypes.end(), [&](const GgmlType& type) { return type.number == number; });
  return found != kTypes.end() ? found : nullptr;
}

std::string readable_ggml_types() {
  std::vector<std::string> names;
  for (const GgmlType& type : kTypes) {
    if (type.is_readable()) {
      names.emplace_back(type.name);
    }
  }
  const std::string last = names.back();
  names.pop_back();
  return join(names, ", ") + " and " + last;
}

void dequantize(const GgmlType& type, std::span<const std::byte> source,
                std::span<float> destination) {
  const auto elements = static_cast<size_t>(type.block_elements);
  const auto bytes = static_cast<size_t>(type.block_bytes);
  const size_t blocks = type.is_readable() ? destination.size() / elements : 0;
  if (blocks * elements != destination.size() || blocks * bytes != source.size()) {
    throw std::logic_error("dequantize: the source does not hold the destination's blocks");
  }
  for (size_t i = 0; i < blocks; ++i) {
    type.dequantize_block(source.data() + i * bytes, destination.data() + i * elements);
  }
}

}  // namespace peft
