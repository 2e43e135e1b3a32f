#pragma once

#include <torch/nn/module.h>

#include <cstdint>

#include "peft/kernels/tensor.h"

namespace peft {

/// Rows of a frozen table by id.
class Embedding final : public torch::nn::Module {
 public:
  Embedding(int64_t rows, int64_t width, const at::TensorOptions& options);

  /// ids: (N) int64 -> (N, width).
  Tensor forward(const Tensor& ids) const;
  const Tensor& weight() const { return weight_; }  // (rows, width)

 private:
  Tensor weight_;
};

}  // namespace peft
