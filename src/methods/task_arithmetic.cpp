#include "peft/methods/task_arithmetic.h"

#include <ATen/ATen.h>

namespace peft {
namespace {

Tensor without_smallest(const Tensor& tensor, double density) {
  const auto kept = static_cast<int64_t>(density * static_cast<double>(tensor.numel()));
  const Tensor largest = std::get<1>(tensor.abs().view({-1}).topk(kept));
  return tensor * at::zeros({tensor.numel()}, tensor.options())
                      .index_fill_(0, largest, 1.0)
                      .view(tensor.sizes());
}

/// What is left is scaled, so that the sum is expected to stay what it is.
Tensor without_random(const Tensor& tensor, double density, at::Generator& generator) {
  return tensor * at::bernoulli(at::full_like(tensor, density), generator) / density;
}

Tensor pruned(const Tensor& tensor, const TaskRules& rules, at::Generator& generator) {
  if (rules.pruning == Pruning::kNone || rules.density >= 1.0) {
    return tensor;
  }
  return rules.pruning == Pruning::kSmallest ? without_smallest(tensor, rules.density)
                                             : without_random(tensor, rules.density, generator);
}

/// Which numbers have the sign that won. A tie goes to plus.
Tensor in_majority(const Tensor& stack, bool counts_signs) {
  const Tensor signs = stack.sign();
  const Tensor votes = (counts_signs ? signs : stack).sum(0);
  return signs == at::where(votes >= 0, at::ones_like(votes), -at::ones_like(votes));
}

}  // namespace

Tensor combined(const std::vector<Tensor>& tensors, const Tensor& weights, const TaskRules& rules,
                at::Generator& generator) {
  std::vector<Tensor> parts;
  for (const Tensor& tensor : tensors) {
    parts.push_back(pruned(tensor.contiguous(), rules, generator));
  }
  const Tensor stack = at::stack(parts);
  const Tensor weighted = stack * weights.view({-1, 1, 1});
  if (!rules.elects_signs) {
    return weighted.sum(0);
  }
  const Tensor majority = in_majority(stack, rules.counts_signs);
  return (weighted * majority).sum(0) / majority.sum(0).clamp_min(1).to(weighted.scalar_type());
}

}  // namespace peft
