#pragma once

#include "peft/kernels/tensor.h"

namespace peft {

/// Rotary position embedding (Su et al. 2021, section 3.2) in the half-split form: dimension i
/// turns with dimension i + R/2 by the angle of its row. Dimensions from R on pass through. The
/// backward is the rotation by the negative angle, so only cos and sin are kept. x: (N, H, Dh);
/// cos, sin: (N, R/2) float32, R <= Dh; the result has x's dtype.
Tensor rotary(const Tensor& x, const Tensor& cos, const Tensor& sin);

/// The same in plain ATen operators, differentiable by autograd.
Tensor rotary_reference(const Tensor& x, const Tensor& cos, const Tensor& sin);

}  // namespace peft
