#include "peft/kernels/lora_linear.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "matrix.h"
#include "node.h"

namespace peft {
namespace {

// With s = d A^T, e = scale * dY B: dX = dY W (+ e A if d is x), dd = e A, dA = e^T d,
// dB = scale * dY^T s.
class LoraLinearBackward final : public KernelNode {
 public:
  std::string name() const override { return "LoraLinearBackward"; }

  double scale = 1;
  WeightLayout layout = WeightLayout::kOutIn;
  bool separate_input = false;  // the adapter's input is not x

 private:
  enum Input { kX, kDropped, kA, kB };  // in the order of make_node
  enum Kept { kKeptWeight, kKeptInput, kKeptA, kKeptB, kKeptS };

  variable_list apply(variable_list&& grads) override {
    variable_list result(4);
    const Tensor& g = grads[0];
    if (!g.defined()) {
      return result;
    }
    const at::NoGradGuard no_grad;
    const Tensor e = at::mm(g, kept(kKeptB)).mul_(scale);
    if (wants(kX)) {
      result[kX] = at::mm(g, out_in(kept(kKeptWeight), layout, g.scalar_type()));
      if (!separate_input) {
        result[kX].addmm_(e, kept(kKeptA));
      }
    }
    if (separate_input && wants(kDropped)) {
      result[kDropped] = at::mm(e, kept(kKeptA));
    }
    if (wants(kA)) {
      result[kA] = at::mm(e.t(), kept(kKeptInput));
    }
    if (wants(kB)) {
      result[kB] = at::mm(g.t(), kept(kKeptS)).mul_(scale);
    }
    return result;
  }
};

// The composite differentiates by itself: frozen_linear keeps the base branch free of activations.
Tensor lora_linear_mixed(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& A,
                         const Tensor& B, double scale, WeightLayout layout, const Tensor& d) {
  const Tensor base = frozen_linear(x, weight, bias, layout);
  const Tensor branch = at::matmul(at::matmul(d.to(A.scalar_type()), A.t()), B.t());
  return (base + branch * scale).to(x.scalar_type());
}

}  // namespace

Tensor lora_linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& A,
                   const Tensor& B, double scale, WeightLayout layout, const Tensor& dropped_x) {
  const bool separate = dropped_x.defined() && !dropped_x.is_same(x);
  const Tensor& d = separate ? dropped_x : x;
  const at::ScalarType dtype = x.scalar_type();
  const bool one_dtype =
      d.scalar_type() == dtype && A.scalar_type() == dtype && B.scalar_type() == dtype;
  const bool frozen = !weight.requires_grad() && !(bias.defined() && bias.requires_grad());
  if (!one_dtype || !frozen || x.dim() != 2) {
    return lora_linear_mixed(x, weight, bias, A, B, scale, layout, d);
  }
  const auto node = make_node<LoraLinearBackward>(x, separate ? d : Tensor(), A, B);
  const at::NoGradGuard no_grad;
  Tensor y = linear_reference(x, weight, bias, layout);
  const Tensor s = at::mm(d, A.t());
  y.addmm_(s, B.t(), /*beta=*/1, /*alpha=*/scale);
  if (node) {
    node->scale = scale;
    node->layout = layout;
    node->separate_input = separate;
    node->keep(weight);
    node->keep_or_repeat(d);
    for (const Tensor& tensor : {A, B, s}) {
      node->keep(tensor);
    }
    link_output(y, node);
  }
  return y;
}

Tensor lora_linear_reference(const Tensor& x, const Tensor& weight, const Tensor& bias,
                             const Tensor& A, const Tensor& B, double scale, WeightLayout layout,
                             const Tensor& dropped_x) {
  const Tensor& d = dropped_x.defined() ? dropped_x : x;
  const Tensor branch = at::linear(at::linear(d.to(A.scalar_type()), A), B);
  return (linear_reference(x, weight, bias, layout) + branch * scale).to(x.scalar_type());
}

}  // namespace peft
