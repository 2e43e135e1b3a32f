#pragma once

#include "peft/kernels/tensor.h"

namespace peft {

/// y = x / sqrt(mean(x^2) + eps) * weight over the last dimension, with Hugging Face's casts:
/// normalised in float32, cast to x's dtype, then times the weight. Zhang & Sennrich 2019, eq. 4.
/// The weight (D) gets a gradient only if it requires one. Float32 runs a fused kernel that saves
/// x and one number per row.
Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps);

/// The same in plain ATen operators, differentiable by autograd.
Tensor rms_norm_reference(const Tensor& x, const Tensor& weight, double eps);

}  // namespace peft
