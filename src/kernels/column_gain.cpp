#include "peft/kernels/column_gain.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "node.h"

namespace peft {
namespace {

class ColumnGainBackward final : public KernelNode {
 public:
  std::string name() const override { return "ColumnGainBackward"; }

 private:
  enum Input { kX, kGain };  // in the order of make_node
  enum Kept { kKeptGain, kKeptY };

  variable_list apply(variable_list&& grads) override {
    variable_list result(2);
    const Tensor& grad = grads[0];
    if (!grad.defined()) {
      return result;
    }
    const at::NoGradGuard no_grad;
    const Tensor gain = kept(kKeptGain);
    if (wants(kX)) {
      result[kX] = grad * gain;
    }
    if (wants(kGain)) {
      const Tensor sums = (grad * kept(kKeptY)).sum(0, /*keepdim=*/false, at::kFloat);
      result[kGain] = at::where(gain == 0, 0.0, sums / gain.to(at::kFloat)).to(gain.scalar_type());
    }
    return result;
  }
};

}  // namespace

Tensor column_gain(const Tensor& x, const Tensor& gain) {
  TORCH_INTERNAL_ASSERT(x.dim() == 2 && gain.dim() == 1 && x.size(1) == gain.size(0),
                        "column_gain wants x (N, out) and gain (out)");
  const auto node = make_node<ColumnGainBackward>(x, gain);
  const at::NoGradGuard no_grad;
  const Tensor y = x * gain;
  if (node) {
    node->keep(gain);
    link_output(y, node);
    node->keep_output(y);
  }
  return y;
}

}  // namespace peft
