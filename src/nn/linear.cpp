#include "peft/nn/linear.h"

namespace peft {

Linear::Linear(Place place, int64_t in, int64_t out, bool with_bias,
               const at::TensorOptions& options, WeightLayout layout)
    : place_(place), in_(in), out_(out), layout_(layout) {
  const bool out_in = layout == WeightLayout::kOutIn;
  weight_ = register_parameter("weight", at::empty({out_in ? out : in, out_in ? in : out}, options),
                               /*requires_grad=*/false);
  if (with_bias) {
    bias_ = register_parameter("bias", at::empty({out}, options), /*requires_grad=*/false);
  }
}

void Linear::tie(const Tensor& weight) {
  TORCH_INTERNAL_ASSERT(weight.sizes() == weight_.sizes(), "a tied matrix has the same shape");
  weight_ = parameters_["weight"] = weight;
}

}  // namespace peft
