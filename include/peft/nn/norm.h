#pragma once

#include <torch/nn/module.h>

#include <cstdint>

#include "peft/kernels/tensor.h"

namespace peft {

/// A norm of rows over the last dimension.
class Norm : public torch::nn::Module {
 public:
  /// x: (..., width) -> the same.
  virtual Tensor forward(const Tensor& x) const = 0;
};

/// x / sqrt(mean(x^2) + eps) * weight over the last dimension. The weight may have another dtype
/// than x (float32 while it trains). `around_one`: the file holds weight - 1, and the product is
/// taken before the cast to x's dtype (Gemma).
class RmsNorm final : public Norm {
 public:
  RmsNorm(int64_t width, double eps, const at::TensorOptions& options, bool around_one = false);
  Tensor forward(const Tensor& x) const override;

 private:
  double eps_;
  bool around_one_;
  Tensor weight_;  // (width)
};

/// (x - mean) / sqrt(var + eps) * weight + bias over the last dimension, variance biased.
class LayerNorm final : public Norm {
 public:
  LayerNorm(int64_t width, double eps, const at::TensorOptions& options);
  Tensor forward(const Tensor& x) const override;

 private:
  double eps_;
  Tensor weight_;  // (width)
  Tensor bias_;    // (width)
};

}  // namespace peft
