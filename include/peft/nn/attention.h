#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <utility>

#include "peft/kernels/attention.h"
#include "peft/nn/hooks.h"
#include "peft/nn/kv_cache.h"
#include "peft/nn/linear.h"

namespace peft {

/// Sizes of an attention layer and its place in the model.
struct AttentionShape {
  int64_t layer = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  bool fused = false;  ///< q, k and v come from one projection
};

/// The part of attention that all architectures share: cache, hook, scores, context and output. An
/// architecture derives from it, projects and rotates, and calls `attend`.
class Attention : public torch::nn::Module {
 public:
  const AttentionShape& shape() const { return shape_; }
  const AttentionOptions& options() const { return options_; }

  /// Keys and values of other rows by the layer's own projections, not rotated: x (n, D) -> two of
  /// (n, Hkv, Dh).
  virtual std::pair<Tensor, Tensor> project_kv(const Tensor& x) const = 0;

  Socket<AttentionHook> hook;

 protected:
  Attention(const AttentionShape& shape, const AttentionOptions& options)
      : shape_(shape), options_(options) {}

  /// What the context goes through: (N, H * Dh) -> (N, D).
  virtual const Linear& out_projection() const = 0;

  /// q: (N, H, Dh); k, v: (N, Hkv, Dh), rotated. Gives the layer's output, (N, D).
  Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, const Segments& segments,
                KvCache* cache) const;

 private:
  AttentionShape shape_;
  AttentionOptions options_;
};

/// Splits the last dimension into heads: (N, n * Dh) -> (N, n, Dh).
Tensor split_heads(const Tensor& x, int64_t heads);

}  // namespace peft
