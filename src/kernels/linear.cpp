#include "peft/kernels/linear.h"

#include <ATen/Functions.h>

#include "matrix.h"
#include "node.h"

namespace peft {
namespace {

class FrozenLinearBackward final : public KernelNode {
 public:
  std::string name() const override { return "FrozenLinearBackward"; }
  void set_layout(WeightLayout layout) { layout_ = layout; }

 private:
  variable_list apply(variable_list&& grads) override {
    if (!grads[0].defined()) {
      return variable_list(1);
    }
    const at::NoGradGuard no_grad;
    return {at::matmul(grads[0], out_in(kept(0), layout_, grads[0].scalar_type()))};
  }

  WeightLayout layout_ = WeightLayout::kOutIn;
};

}  // namespace

Tensor frozen_linear(const Tensor& x, const Tensor& weight, const Tensor& bias,
                     WeightLayout layout) {
  if (weight.requires_grad() || (bias.defined() && bias.requires_grad())) {
    return linear_reference(x, weight, bias, layout);
  }
  const auto node = make_node<FrozenLinearBackward>(x);
  const at::NoGradGuard no_grad;
  const Tensor y = linear_reference(x, weight, bias, layout);
  if (node) {
    node->set_layout(layout);
    node->keep(weight);
    link_output(y, node);
  }
  return y;
}

Tensor linear_reference(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        WeightLayout layout) {
  const Tensor b = bias.defined() ? bias.to(x.scalar_type()) : bias;
  return at::linear(x, out_in(weight, layout, x.scalar_type()),
                    b.defined() ? std::optional<Tensor>(b) : std::nullopt);
}

}  // namespace peft
