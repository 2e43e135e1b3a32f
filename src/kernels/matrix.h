#pragma once

#include "peft/kernels/linear.h"
#include "peft/kernels/tensor.h"

namespace peft {

/// A weight as (out, in), in the given dtype: a view where the layout allows, a passing copy where
/// the dtype differs.
inline Tensor out_in(const Tensor& weight, WeightLayout layout, at::ScalarType dtype) {
  const Tensor cast = weight.to(dtype);
  return layout == WeightLayout::kOutIn ? cast : cast.t();
}

}  // namespace peft
