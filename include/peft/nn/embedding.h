#pragma once

#include <torch/nn/module.h>

#include <cstdint>

#include "peft/kernels/tensor.h"
#include "peft/nn/hooks.h"

namespace peft {

/// Rows of a frozen table by id, with a socket.
class Embedding final : public torch::nn::Module {
 public:
  Embedding(int64_t rows, int64_t width, const at::TensorOptions& options);

  /// ids: (N) int64 -> (N, width).
  Tensor forward(const Tensor& ids) const { return hook ? hook->forward(*this, ids) : base(ids); }
  /// The host's own result, in the dtype it was built with.
  Tensor base(const Tensor& ids) const;

  const Tensor& weight() const { return weight_; }  // (rows, width)

  Socket<EmbeddingHook> hook;

 private:
  Tensor weight_;
  at::ScalarType dtype_;
};

}  // namespace peft
