#pragma once

#include <cstdint>
#include <string>

#include "peft/io/weights_file.h"

namespace peft {

/// How far two tensors of one shape are apart, in double precision.
struct TensorDifference {
  double largest = 0.0;   ///< max |a - b|; NaN when one of the values is
  double squares = 0.0;   ///< sum of (a - b)^2
  double original = 0.0;  ///< sum of a^2

  /// |a - b| / |a| by Frobenius' norm; infinite when only a is zero, 0 when both are.
  double relative() const;
  /// True if every value is the same number.
  bool none() const { return squares == 0.0; }
  TensorDifference& operator+=(const TensorDifference& other);
};

/// Compares the tensor `name` of two files piece by piece; the element types may differ. Throws
/// ModelError for shapes that do, and for 8-bit floating-point numbers.
TensorDifference tensor_difference(const WeightsFile& a, const WeightsFile& b,
                                   const std::string& name);

}  // namespace peft
