#pragma once

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "peft/kernels/tensor.h"

namespace peft {

/// Base of our autograd nodes. Hand-made nodes cost less at run and compile time than
/// torch::autograd::Function, and may hold plain C++ state. A node returns from `apply` one
/// gradient per tensor it was linked to, undefined where `wants(i)` is false.
class KernelNode : public torch::autograd::Node {
 public:
  using variable_list = torch::autograd::variable_list;

  /// Saves an input (or any other tensor made before) for the backward; undefined ones are fine.
  void keep(const Tensor& tensor) { kept_.push_back({{tensor, /*is_output=*/false}, nullptr}); }
  /// Saves the node's own output; call it after `link_output`.
  void keep_output(const Tensor& tensor) {
    kept_.push_back({{tensor, /*is_output=*/true}, nullptr});
  }
  /// Saves an input, or nothing if the node that made it can cheaply make it again: that node's
  /// backward, which frees what it needs for this, runs after ours.
  void keep_or_repeat(const Tensor& tensor) {
    const auto producer = std::dynamic_pointer_cast<KernelNode>(
        tensor.defined() && !tensor.is_view() ? tensor.grad_fn() : nullptr);
    if (producer && producer->is_repeatable()) {
      kept_.push_back({{}, producer});
    } else {
      keep(tensor);
    }
  }
  /// Frees what was saved as soon as the backward has passed.
  void release_variables() override {
    for (Kept& kept : kept_) {
      kept.saved.reset_data();
      kept.producer.reset();
    }
  }

  /// Whether `repeated` works: the output costs little beside the memory it would hold.
  virtual bool is_repeatable() const { return false; }

 protected:
  /// The i-th tensor saved.
  Tensor kept(size_t i) {
    const Kept& entry = kept_.at(i);
    return entry.producer ? entry.producer->repeated() : entry.saved.unpack(shared_from_this());
  }
  /// Whether anybody needs the gradient of the i-th linked input.
  bool wants(size_t i) const { return task_should_compute_output(i); }
  /// The node's output once more, from what it keeps, to the bit.
  virtual Tensor repeated() { return {}; }

 private:
  struct Kept {
    torch::autograd::SavedVariable saved;
    std::shared_ptr<KernelNode> producer;  // instead of a saved tensor
  };
  std::vector<Kept> kept_;
};

/// A node whose inputs are `inputs`, in that order, or null if none of them needs a gradient now.
template <class Node, class... Inputs>
std::shared_ptr<Node> make_node(const Inputs&... inputs) {
  if (!torch::autograd::compute_requires_grad(inputs...)) {
    return nullptr;
  }
  auto node = std::shared_ptr<Node>(new Node(), torch::autograd::deleteNode);
  node->set_next_edges(torch::autograd::collect_next_edges(inputs...));
  return node;
}

/// Makes `output`, computed without gradient mode and no view of anything, the node's result.
template <class Node>
void link_output(const Tensor& output, const std::shared_ptr<Node>& node) {
  if (node) {
    torch::autograd::set_history(output, node);
  }
}

}  // namespace peft
