#include "peft/kernels/rotary.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "fast_path.h"
#include "node.h"

namespace peft {
namespace {

Tensor rotated_fast(const RowKernels& kernels, const Tensor& x, const Tensor& cos,
                    const Tensor& sin, float sign) {
  const Tensor source = x.stride(2) == 1 || x.size(2) == 1 ? x : x.contiguous();
  const int64_t heads = x.size(1);
  const int64_t width = x.size(2);
  const int64_t half = cos.size(1);
  Tensor y = at::empty(x.sizes(), x.options());
  for_rows(x.size(0), heads * width, [&](int64_t begin, int64_t end) {
    kernels.rotary(source.const_data_ptr<float>() + begin * source.stride(0), source.stride(0),
                   source.stride(1), cos.const_data_ptr<float>() + begin * half,
                   sin.const_data_ptr<float>() + begin * half,
                   y.data_ptr<float>() + begin * heads * width, end - begin, heads, width, half,
                   sign);
  });
  return y;
}

Tensor rotated(const Tensor& x, const Tensor& cos, const Tensor& sin, float sign) {
  if (const RowKernels* kernels = fast_path(x, cos, sin)) {
    return rotated_fast(*kernels, x, cos, sin, sign);
  }
  return rotary_reference(x, cos, sign < 0 ? -sin : sin);
}

class RotaryBackward final : public KernelNode {
 public:
  std::string name() const override { return "RotaryBackward"; }

 private:
  variable_list apply(variable_list&& grads) override {
    if (!grads[0].defined()) {
      return variable_list(1);
    }
    const at::NoGradGuard no_grad;
    return {rotated(grads[0], kept(0), kept(1), /*sign=*/-1.0F)};
  }
};

}  // namespace

Tensor rotary(const Tensor& x, const Tensor& cos, const Tensor& sin) {
  TORCH_INTERNAL_ASSERT(x.dim() == 3 && cos.dim() == 2 && cos.sizes() == sin.sizes(),
                        "rotary wants x (N, H, Dh), cos and sin (N, R/2)");
  TORCH_INTERNAL_ASSERT(cos.size(0) == x.size(0) && 2 * cos.size(1) <= x.size(2),
                        "rotary wants a row of angles per row of x, and no more than Dh / 2");
  const auto node = make_node<RotaryBackward>(x);
  const at::NoGradGuard no_grad;
  const Tensor c = cos.contiguous();
  const Tensor s = sin.contiguous();
  const Tensor y = rotated(x, c, s, /*sign=*/1.0F);
  if (node) {
    node->keep(c);
    node->keep(s);
    link_output(y, node);
  }
  return y;
}

Tensor rotary_reference(const Tensor& x, const Tensor& cos, const Tensor& sin) {
  const int64_t half = cos.size(1);
  // Hugging Face rotates in x's dtype, with cos and sin cast to it.
  const Tensor c = cos.to(x.scalar_type()).unsqueeze(1);
  const Tensor s = sin.to(x.scalar_type()).unsqueeze(1);
  const Tensor a = x.narrow(2, 0, half);
  const Tensor b = x.narrow(2, half, half);
  return at::cat({a * c - b * s, b * c + a * s, x.narrow(2, 2 * half, x.size(2) - 2 * half)}, 2);
}

}  // namespace peft
