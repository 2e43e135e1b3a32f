#include "peft/kernels/orthogonality.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "node.h"

namespace peft {
namespace {

/// M M^T - I over its norm (R, R), and the norm.
struct Deviation {
  Tensor direction;
  Tensor norm;
};

Deviation deviation(const Tensor& rows) {
  Tensor gram = at::mm(rows, rows.t());
  gram.diagonal().sub_(1.0);
  const Tensor norm = at::linalg_vector_norm(gram);
  return {gram.div_(norm.clamp_min(1e-30)), norm};
}

class OrthogonalityBackward final : public KernelNode {
 public:
  std::string name() const override { return "OrthogonalityBackward"; }

  /// Keeps a matrix of R rows and its deviation's direction.
  void keep_rows(const Tensor& rows, const Tensor& direction) {
    keep(rows);
    keep(direction);
  }
  void first_column(size_t index) { first_column_ = index; }

 private:
  variable_list apply(variable_list&& grads) override {
    const at::NoGradGuard no_grad;
    variable_list result(num_outputs());
    for (size_t i = 0; i < result.size(); ++i) {
      if (!grads[0].defined() || !wants(i)) {
        continue;
      }
      const Tensor direction = kept(2 * i + 1) * (grads[0] * 2.0);
      // The direction is symmetric, so the gradient of M^T M - I is M times it.
      result[i] =
          i < first_column_ ? at::mm(direction, kept(2 * i)) : at::mm(kept(2 * i), direction);
    }
    return result;
  }

  size_t first_column_ = 0;
};

}  // namespace

Tensor orthogonality(const std::vector<Tensor>& rows, const std::vector<Tensor>& columns) {
  std::vector<Tensor> all = rows;
  all.insert(all.end(), columns.begin(), columns.end());
  const auto node = make_node<OrthogonalityBackward>(all);
  const at::NoGradGuard no_grad;
  std::vector<Tensor> norms;
  for (size_t i = 0; i < all.size(); ++i) {
    const Deviation found = deviation(i < rows.size() ? all[i] : all[i].t());
    norms.push_back(found.norm);
    if (node) {
      node->keep_rows(all[i], found.direction);
    }
  }
  const Tensor sum = at::stack(norms).sum();
  if (node) {
    node->first_column(rows.size());
    link_output(sum, node);
  }
  return sum;
}

}  // namespace peft
