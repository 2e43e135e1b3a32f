#include "peft/kernels/column_gain.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "fast_path.h"
#include "node.h"

namespace peft {
namespace {

constexpr int64_t kParts = 8;  // of the rows, whatever the threads, so that sums come out the same

struct GainGradients {
  Tensor dx;
  Tensor sums;  // (out) float32, of dy * y over the rows
};

GainGradients gain_gradients_fast(const RowKernels& kernels, const Tensor& grad, const Tensor& y,
                                  const Tensor& gain) {
  const Tensor g = as_rows(grad);
  const Tensor factors = gain.contiguous();
  const int64_t rows = y.size(0);
  const int64_t width = y.size(1);
  const int64_t part = (rows + kParts - 1) / kParts;
  Tensor dx = at::empty(y.sizes(), y.options());
  Tensor sums = at::zeros({kParts, width}, y.options());
  at::parallel_for(0, kParts, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t begin = std::min(i * part, rows);
      kernels.column_gain_backward(
          g.const_data_ptr<float>() + begin * g.stride(0), g.stride(0),
          y.const_data_ptr<float>() + begin * y.stride(0), y.stride(0),
          factors.const_data_ptr<float>(), dx.data_ptr<float>() + begin * width,
          sums.data_ptr<float>() + i * width, std::min(part, rows - begin), width);
    }
  });
  return {dx, sums.sum(0)};
}

GainGradients gain_gradients(const Tensor& grad, const Tensor& y, const Tensor& gain) {
  if (const RowKernels* kernels = fast_path(grad, y, gain)) {
    return gain_gradients_fast(*kernels, grad, y, gain);
  }
  return {grad * gain, (grad * y).sum(0, /*keepdim=*/false, at::kFloat)};
}

class ColumnGainBackward final : public KernelNode {
 public:
  std::string name() const override { return "ColumnGainBackward"; }

 private:
  enum Kept { kKeptGain, kKeptY };

  variable_list apply(variable_list&& grads) override {
    const Tensor& grad = grads[0];
    if (!grad.defined()) {
      return variable_list(2);
    }
    const at::NoGradGuard no_grad;
    const Tensor gain = kept(kKeptGain);
    const auto [dx, sums] = gain_gradients(grad, kept(kKeptY), gain);
    const Tensor dgain = at::where(gain == 0, 0.0, sums / gain.to(at::kFloat));
    return {dx, dgain.to(gain.scalar_type())};
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
