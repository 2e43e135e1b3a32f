#pragma once

#include <memory>
#include <utility>

#include "peft/nn/attention.h"
#include "peft/nn/norm.h"

namespace peft {

/// Which biases an attention of separate projections has.
struct AttentionBiases {
  bool qkv = false;
  bool out = false;
};

/// Attention under Llama's names (q_proj, k_proj, v_proj, o_proj) with rotated queries and keys
/// and, where given, norms on their heads (q_norm, k_norm).
class RotaryAttention final : public Attention {
 public:
  /// Norms of width Dh, or null. `rope`: which of the model's ropes turns this layer.
  struct HeadNorms {
    std::shared_ptr<Norm> query, key;
  };
  RotaryAttention(int64_t hidden, const AttentionShape& shape, const AttentionOptions& options,
                  const AttentionBiases& biases, const HeadNorms& norms,
                  const at::TensorOptions& tensors, size_t rope = 0);

  Tensor forward(const Tensor& x, const BlockInput& input) const override;
  std::pair<Tensor, Tensor> project_kv(const Tensor& x) const override;

 protected:
  const Linear& out_projection() const override { return *o_; }

 private:
  std::shared_ptr<Linear> q_, k_, v_, o_;
  HeadNorms norms_;
  size_t rope_;
};

}  // namespace peft
