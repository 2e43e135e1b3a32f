#pragma once

#include <cstdint>

namespace peft {

/// Exact value of an IEEE half-precision number.
float float_from_half(uint16_t bits);
/// Nearest half-precision number, ties to even; too large becomes infinity.
uint16_t half_from_float(float value);

/// Exact value of a bfloat16 number.
float float_from_bfloat16(uint16_t bits);
/// Nearest bfloat16 number, ties to even.
uint16_t bfloat16_from_float(float value);

}  // namespace peft
