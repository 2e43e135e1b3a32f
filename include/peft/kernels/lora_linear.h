#pragma once

#include "peft/kernels/linear.h"
#include "peft/kernels/tensor.h"

namespace peft {

/// y = x W^T + b + scale * (d A^T) B^T, with d = dropped_x where given (the input after LoRA's
/// dropout), else x. Hu et al. 2021, section 4.1. One Function: it saves d and d A^T, and in the
/// backward skips the gradient of x when nobody needs it. Other dtypes than float32 follow PEFT:
/// the adapter's branch and the sum are float32, the result is cast to x's dtype. x: (N, in);
/// weight: as in frozen_linear; A: (R, in); B: (out, R), both float32; y: (N, out).
Tensor lora_linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& A,
                   const Tensor& B, double scale, WeightLayout layout = WeightLayout::kOutIn,
                   const Tensor& dropped_x = {});

/// The same in plain ATen operators, differentiable by autograd.
Tensor lora_linear_reference(const Tensor& x, const Tensor& weight, const Tensor& bias,
                             const Tensor& A, const Tensor& B, double scale,
                             WeightLayout layout = WeightLayout::kOutIn,
                             const Tensor& dropped_x = {});

}  // namespace peft
