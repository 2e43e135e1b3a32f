#include "peft/kernels/importance.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include "fast_path.h"

namespace peft {

void update_importance(const Tensor& value, const Tensor& gradient, Tensor mean, Tensor uncertainty,
                       double beta1, double beta2) {
  const at::NoGradGuard no_grad;
  const RowKernels* kernels = fast_path(value, gradient, mean, uncertainty);
  if (kernels != nullptr && value.is_contiguous() && gradient.is_contiguous() &&
      mean.is_contiguous() && uncertainty.is_contiguous()) {
    for_rows(value.numel(), /*floats_per_row=*/1, [&](int64_t begin, int64_t end) {
      kernels->importance(value.const_data_ptr<float>() + begin,
                          gradient.const_data_ptr<float>() + begin, mean.data_ptr<float>() + begin,
                          uncertainty.data_ptr<float>() + begin, end - begin,
                          static_cast<float>(beta1), static_cast<float>(beta2));
    });
    return;
  }
  const Tensor now = (value * gradient).abs_();
  mean.mul_(beta1).add_(now, 1.0 - beta1);
  uncertainty.mul_(beta2).add_((now - mean).abs_(), 1.0 - beta2);
}

}  // namespace peft
