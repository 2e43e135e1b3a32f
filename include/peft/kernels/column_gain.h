#pragma once

#include "peft/kernels/tensor.h"

namespace peft {

/// y = x * gain, a factor per column: DoRA's magnitude over its length (Liu et al. 2024, equation
/// 5). The backward saves y and not x, since y is mostly kept by who reads it anyway:
/// dgain = sum over rows of dy * y / gain, and 0 where a gain is exactly 0. x: (N, out);
/// gain: (out), of x's dtype; y: (N, out).
Tensor column_gain(const Tensor& x, const Tensor& gain);

}  // namespace peft
