#pragma once

#include "peft/kernels/tensor.h"
#include "peft/nn/hooks.h"
#include "peft/nn/norm.h"

namespace peft {

/// Where a branch joins the stream: x + branch, or what a hook makes of the two.
class Residual {
 public:
  Tensor add(const Tensor& x, const Tensor& branch) const;

  Socket<ResidualHook> hook;
  /// What the block sends the sum through before anything else; null: nothing.
  const Norm* norm_behind = nullptr;
};

}  // namespace peft
