#include "peft/nn/norm.h"

#include <ATen/ATen.h>

#include "peft/kernels/rms_norm.h"

namespace peft {

RmsNorm::RmsNorm(int64_t width, double eps, const at::TensorOptions& options, bool around_one)
    : eps_(eps),
      around_one_(around_one),
      weight_(register_parameter("weight", at::empty({width}, options), /*requires_grad=*/false)) {}

Tensor RmsNorm::forward(const Tensor& x) const {
  if (around_one_) {
    return rms_norm(x.to(at::kFloat), weight_.to(at::kFloat) + 1, eps_).to(x.scalar_type());
  }
  return rms_norm(x, weight_.to(x.scalar_type()), eps_);
}

LayerNorm::LayerNorm(int64_t width, double eps, const at::TensorOptions& options)
    : eps_(eps),
      weight_(register_parameter("weight", at::empty({width}, options), /*requires_grad=*/false)),
      bias_(register_parameter("bias", at::empty({width}, options), /*requires_grad=*/false)) {}

Tensor LayerNorm::forward(const Tensor& x) const {
  const at::ScalarType dtype = x.scalar_type();
  return at::layer_norm(x, weight_.sizes(), weight_.to(dtype), bias_.to(dtype), eps_);
}

}  // namespace peft
