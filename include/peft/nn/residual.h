#pragma once

#include "peft/kernels/tensor.h"
#include "peft/nn/hooks.h"

namespace peft {

/// Where a branch joins the stream: x + branch, or what a hook makes of the two.
class Residual {
 public:
  Tensor add(const Tensor& x, const Tensor& branch) const;

  Socket<ResidualHook> hook;
};

}  // namespace peft
