#pragma once

#include "peft/kernels/tensor.h"

namespace peft {

/// AdaLoRA's averages of how much each number of a parameter matters to the loss, in place (Zhang
/// et al. 2023, equations 8 to 10):
///   now = |value * gradient|
///   mean = beta1 * mean + (1 - beta1) * now
///   uncertainty = beta2 * uncertainty + (1 - beta2) * |now - mean|
/// All four have one shape, float32.
void update_importance(const Tensor& value, const Tensor& gradient, Tensor mean, Tensor uncertainty,
                       double beta1, double beta2);

}  // namespace peft
