#include "peft/kernels/checkpoint.h"

#include <ATen/Functions.h>
#include <torch/csrc/autograd/autograd.h>

#include <utility>

#include "node.h"

namespace peft {
namespace {

class CheckpointBackward final : public KernelNode {
 public:
  std::string name() const override { return "CheckpointBackward"; }
  void set(std::function<Tensor(const Tensor&)> function, bool x_needs_gradient) {
    function_ = std::move(function);
    x_needs_gradient_ = x_needs_gradient;
  }

 private:
  variable_list apply(variable_list&& grads) override {
    if (!grads[0].defined()) {
      return variable_list(2);
    }
    const at::AutoGradMode with_grad(true);
    const Tensor x = kept(0).detach().requires_grad_(x_needs_gradient_);
    torch::autograd::backward({function_(x)}, {grads[0]});
    return {x.grad(), Tensor()};
  }

  std::function<Tensor(const Tensor&)> function_;
  bool x_needs_gradient_ = false;
};

}  // namespace

Tensor checkpointed(const std::function<Tensor(const Tensor&)>& function, const Tensor& x) {
  const Tensor y = function(x);
  if (!y.requires_grad()) {
    return y;  // nothing here trains, and nothing is kept
  }
  // A stand-in input makes the node run even if only what the function holds needs gradients.
  const Tensor stand_in = at::empty({0}, x.options().requires_grad(false)).requires_grad_();
  const auto node = make_node<CheckpointBackward>(x, stand_in);
  node->set(function, x.requires_grad());
  node->keep(x);
  const Tensor output = y.detach();
  link_output(output, node);
  return output;
}

}  // namespace peft
