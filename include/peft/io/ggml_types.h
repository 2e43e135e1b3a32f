#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace peft {

/// How a type of GGUF tensors stores its elements: blocks of `block_elements` elements in
/// `block_bytes` bytes.
struct GgmlType {
  uint32_t number;  ///< the format's number
  const char* name;
  int64_t block_elements;  ///< 0 for a type that is known by name only
  int64_t block_bytes;
  /// One block as float32; null for a type that cannot be read.
  void (*dequantize_block)(const std::byte* block, float* out);

  bool is_readable() const { return dequantize_block != nullptr; }
};

/// The type of a number; null for a number that nobody gave out.
const GgmlType* find_ggml_type(uint32_t number);

/// Names of the types that can be read, for messages: "F32, F16, ... and IQ4_XS".
std::string readable_ggml_types();

/// Turns whole blocks into float32, bit for bit what the gguf package makes of them. `source` holds
/// block_bytes for every block_elements of `destination`.
void dequantize(const GgmlType& type, std::span<const std::byte> source,
                std::span<float> destination);

}  // namespace peft
