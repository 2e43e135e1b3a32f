#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <utility>
#include <vector>

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

/// cos and sin of a batch's rows, computed once and used by every layer.
struct Angles {
  Tensor cos, sin;  // (N, R/2) float32
};

/// What all blocks of one forward share.
struct BlockInput {
  std::vector<Angles> angles;  ///< one per rope of the model
  Segments segments;
  KvCache* cache = nullptr;
};

/// The part of attention that all architectures share: cache, hook, scores, context and output. An
/// architecture derives from it, projects and rotates, and calls `attend`.
class Attention : public torch::nn::Module {
 public:
  const AttentionShape& shape() const { return shape_; }
  const AttentionOptions& options() const { return options_; }

  /// What the layer adds to the stream: x (N, D), already normed -> (N, D).
  virtual Tensor forward(const Tensor& x, const BlockInput& input) const = 0;

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
  Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, const BlockInput& input) const;

 private:
  AttentionShape shape_;
  AttentionOptions options_;
};

/// Splits the last dimension into heads: (N, n * Dh) -> (N, n, Dh).
Tensor split_heads(const Tensor& x, int64_t heads);

}  // namespace peft
