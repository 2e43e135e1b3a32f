#include "peft/kernels/swiglu.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <utility>

#include "fast_path.h"
#include "node.h"

namespace peft {
namespace {

Tensor swiglu_fast(const RowKernels& kernels, const Tensor& gate, const Tensor& up) {
  const Tensor g = as_rows(gate);
  const Tensor u = as_rows(up);
  const int64_t width = g.size(1);
  Tensor y = at::empty(gate.sizes(), gate.options());
  for_rows(g.size(0), width, [&](int64_t begin, int64_t end) {
    kernels.swiglu(g.const_data_ptr<float>() + begin * g.stride(0), g.stride(0),
                   u.const_data_ptr<float>() + begin * u.stride(0), u.stride(0),
                   y.data_ptr<float>() + begin * width, end - begin, width);
  });
  return y;
}

std::pair<Tensor, Tensor> gradients_fast(const RowKernels& kernels, const Tensor& grad,
                                         const Tensor& gate, const Tensor& up) {
  const Tensor d = as_rows(grad);
  const Tensor g = as_rows(gate);
  const Tensor u = as_rows(up);
  const int64_t width = g.size(1);
  Tensor dgate = at::empty(gate.sizes(), gate.options());
  Tensor dup = at::empty(gate.sizes(), gate.options());
  for_rows(g.size(0), width, [&](int64_t begin, int64_t end) {
    kernels.swiglu_backward(d.const_data_ptr<float>() + begin * d.stride(0), d.stride(0),
                            g.const_data_ptr<float>() + begin * g.stride(0), g.stride(0),
                            u.const_data_ptr<float>() + begin * u.stride(0), u.stride(0),
                            dgate.data_ptr<float>() + begin * width,
                            dup.data_ptr<float>() + begin * width, end - begin, width);
  });
  return {dgate, dup};
}

Tensor swiglu_of(const Tensor& gate, const Tensor& up) {
  const RowKernels* kernels = fast_path(gate, up);
  return kernels != nullptr ? swiglu_fast(*kernels, gate, up) : at::silu(gate).mul_(up);
}

class SwigluBackward final : public KernelNode {
 public:
  std::string name() const override { return "SwigluBackward"; }
  bool is_repeatable() const override { return true; }

 private:
  Tensor repeated() override {
    const at::NoGradGuard no_grad;
    return swiglu_of(kept(0), kept(1));
  }

  variable_list apply(variable_list&& grads) override {
    const Tensor& grad = grads[0];
    if (!grad.defined()) {
      return variable_list(2);
    }
    const at::NoGradGuard no_grad;
    const Tensor gate = kept(0);
    const Tensor up = kept(1);
    if (const RowKernels* kernels = fast_path(grad, gate, up)) {
      auto [dgate, dup] = gradients_fast(*kernels, grad, gate, up);
      return {dgate, dup};
    }
    return {at::silu_backward(grad * up, gate), grad * at::silu(gate)};
  }
};

}  // namespace

Tensor swiglu(const Tensor& gate, const Tensor& up) {
  TORCH_INTERNAL_ASSERT(gate.sizes() == up.sizes(), "swiglu wants two tensors of one shape");
  const auto node = make_node<SwigluBackward>(gate, up);
  const at::NoGradGuard no_grad;
  const Tensor y = swiglu_of(gate, up);
  if (node) {
    node->keep(gate);
    node->keep(up);
    link_output(y, node);
  }
  return y;
}

Tensor swiglu_reference(const Tensor& gate, const Tensor& up) {
  return at::silu(gate) * up;
}

}  // namespace peft
