#pragma once

#include "peft/kernels/tensor.h"

namespace peft {

/// How a checkpoint stores the matrix of a projection.
enum class WeightLayout {
  kOutIn,  ///< (out, in), as torch.nn.Linear
  kInOut   ///< (in, out), as GPT-2's Conv1D
};

/// y = x W^T + b for a frozen projection. Saves no activation: the backward needs only the weight,
/// and does nothing if x needs no gradient. A weight of another dtype than x is cast at each use,
/// so that no second copy of it stays in memory. If the weight or the bias does require a gradient,
/// plain autograd computes it.
/// x: (N, in); weight: (out, in), or (in, out) with kInOut; bias: (out) or undefined; y: (N, out).
Tensor frozen_linear(const Tensor& x, const Tensor& weight, const Tensor& bias,
                     WeightLayout layout = WeightLayout::kOutIn);

/// The same in plain ATen operators, differentiable by autograd.
Tensor linear_reference(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        WeightLayout layout = WeightLayout::kOutIn);

}  // namespace peft
