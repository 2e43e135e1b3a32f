#pragma once

#include <torch/nn/module.h>

#include <cstdint>

#include "peft/config/place.h"
#include "peft/kernels/linear.h"
#include "peft/nn/hooks.h"

namespace peft {

/// A frozen projection y = x W^T + b with a socket. Its parameters are named as the checkpoint's:
/// "weight" and "bias".
class Linear final : public torch::nn::Module {
 public:
  /// Uninitialised tensors of the given dtype and device; the checkpoint's reader fills them.
  Linear(Place place, int64_t in, int64_t out, bool with_bias, const at::TensorOptions& options,
         WeightLayout layout = WeightLayout::kOutIn);

  /// What the model computes: the hook's result, or the host's own. x: (N, in) -> (N, out).
  Tensor forward(const Tensor& x) const { return hook ? hook->forward(*this, x) : base(x); }

  /// The host's own result.
  Tensor base(const Tensor& x) const { return frozen_linear(x, weight_, bias_, layout_); }

  Place place() const { return place_; }
  const Tensor& weight() const { return weight_; }  // (out, in), or (in, out) with kInOut
  /// The matrix as (out, in), a view whatever the layout.
  Tensor out_in() const { return layout_ == WeightLayout::kOutIn ? weight_ : weight_.t(); }
  const Tensor& bias() const { return bias_; }  // (out) or undefined
  WeightLayout layout() const { return layout_; }
  int64_t in_features() const { return in_; }
  int64_t out_features() const { return out_; }

  /// Makes this projection use another module's matrix: a head tied to the embedding.
  void tie(const Tensor& weight);

  Socket<LinearHook> hook;

 private:
  Place place_;
  int64_t in_;
  int64_t out_;
  WeightLayout layout_;
  Tensor weight_;
  Tensor bias_;
};

}  // namespace peft
