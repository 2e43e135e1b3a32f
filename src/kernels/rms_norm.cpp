#include "peft/kernels/rms_norm.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "fast_path.h"
#include "node.h"

namespace peft {
namespace {

struct Normalized {
  Tensor y;
  Tensor rstd;  // (rows)
};

Normalized normalized(const Tensor& x, const Tensor& weight, double eps) {
  const Tensor rows = as_rows(x);
  const Tensor w = weight.contiguous();
  Normalized result{at::empty(x.sizes(), x.options()), at::empty({rows.size(0)}, x.options())};
  for_rows(rows.size(0), rows.size(1), [&](int64_t begin, int64_t end) {
    row_kernels()->rms_norm(
        rows.const_data_ptr<float>() + begin * rows.stride(0), rows.stride(0),
        w.const_data_ptr<float>(), result.y.data_ptr<float>() + begin * rows.size(1),
        result.rstd.data_ptr<float>() + begin, end - begin, rows.size(1), static_cast<float>(eps));
  });
  return result;
}

class RmsNormBackward final : public KernelNode {
 public:
  std::string name() const override { return "RmsNormBackward"; }
  bool is_repeatable() const override { return true; }
  void set_eps(double eps) { eps_ = eps; }

 private:
  Tensor repeated() override {
    const at::NoGradGuard no_grad;
    return normalized(kept(0), kept(1), eps_).y;
  }

  variable_list apply(variable_list&& grads) override {
    if (!grads[0].defined()) {
      return variable_list(2);
    }
    const at::NoGradGuard no_grad;
    const Tensor x = kept(0);
    const Tensor weight = kept(1).contiguous();
    const Tensor rstd = kept(2);
    const Tensor g = as_rows(grads[0]);
    const Tensor rows = as_rows(x);
    Tensor dx;
    Tensor dweight;
    if (wants(0)) {
      dx = at::empty(rows.sizes(), rows.options());
      for_rows(rows.size(0), rows.size(1), [&](int64_t begin, int64_t end) {
        row_kernels()->rms_norm_backward(
            g.const_data_ptr<float>() + begin * g.stride(0), g.stride(0),
            rows.const_data_ptr<float>() + begin * rows.stride(0), rows.stride(0),
            weight.const_data_ptr<float>(), rstd.const_data_ptr<float>() + begin,
            dx.data_ptr<float>() + begin * rows.size(1), end - begin, rows.size(1));
      });
      dx = dx.view(x.sizes());
    }
    if (wants(1)) {
      dweight = (g * rows * rstd.unsqueeze(1)).sum(0);
    }
    return {dx, dweight};
  }

  double eps_ = 0;
};

Tensor rms_norm_fast(const Tensor& x, const Tensor& weight, double eps) {
  const auto node = make_node<RmsNormBackward>(x, weight);
  const at::NoGradGuard no_grad;
  const auto [y, rstd] = normalized(x, weight, eps);
  if (node) {
    node->keep(x);
    node->keep(weight);
    node->keep(rstd);
    node->set_eps(eps);
    link_output(y, node);
  }
  return y;
}

}  // namespace

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps) {
  TORCH_INTERNAL_ASSERT(weight.dim() == 1 && weight.size(0) == x.size(-1),
                        "rms_norm wants one weight per column");
  if (fast_path(x, weight) != nullptr) {
    return rms_norm_fast(x, weight, eps);
  }
  return rms_norm_reference(x, weight, eps);
}

Tensor rms_norm_reference(const Tensor& x, const Tensor& weight, double eps) {
  const Tensor wide = x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  const Tensor normal = wide * at::rsqrt(wide.square().mean(-1, /*keepdim=*/true) + eps);
  return normal.to(x.scalar_type()) * weight;
}

}  // namespace peft
