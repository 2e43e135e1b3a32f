#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <utility>

#include "peft/kernels/attention.h"
#include "peft/kernels/segments.h"
#include "peft/kernels/tensor.h"

namespace peft {

class Attention;
class Embedding;
class Linear;

/// Rides on a projection and computes what it gives: the host's own result is `host.base(x)`.
class LinearHook : public torch::nn::Module {
 public:
  /// x: (N, in) -> (N, out).
  virtual Tensor forward(const Linear& host, const Tensor& x) = 0;

  /// The host's matrix with this hook folded in: (out, in) float32 -> the same. Only asked of the
  /// hooks of methods that can be merged.
  virtual Tensor merged_weight(const Tensor& weight) const { return weight; }
  /// The same for the host's bias, (out) float32.
  virtual Tensor merged_bias(const Tensor& bias) const { return bias; }
};

/// Rides on a table of embeddings: the host's own result is `host.base(ids)`.
class EmbeddingHook : public torch::nn::Module {
 public:
  /// ids: (N) int64 -> (N, D).
  virtual Tensor forward(const Embedding& host, const Tensor& ids) = 0;
  /// The host's table with this hook folded in: (V, D) float32 -> the same.
  virtual Tensor merged_weight(const Tensor& weight) const = 0;
};

/// Rides where a branch (attention or MLP) joins the residual stream.
class ResidualHook : public torch::nn::Module {
 public:
  /// x: the stream before the branch, branch: what the branch gives, both (N, D). The host's own
  /// result is x + branch.
  virtual Tensor add(const Tensor& x, const Tensor& branch) = 0;
};

/// What attention is about to compute.
struct AttentionState {
  Tensor q;          ///< (N, H, Dh), rotated
  Tensor k, v;       ///< (M, Hkv, Dh), rotated; M = N without a cache and without a hook
  Segments queries;  ///< of q's rows
  Segments keys;     ///< of k's and v's rows, as many segments as `queries`
};

/// Rides on an attention layer: may add keys before the scores, or add to what comes after them.
class AttentionHook : public torch::nn::Module {
 public:
  virtual void before_scores(const Attention& /*host*/, AttentionState& /*state*/) {}
  /// context: (N, H, Dh) -> the same shape.
  virtual Tensor after_context(const Attention& /*host*/, const AttentionState& /*state*/,
                               const Tensor& context) {
    return context;
  }
  /// output: what the layer gives, (N, D) -> the same shape.
  virtual Tensor after_output(const Attention& /*host*/, const AttentionState& /*state*/,
                              const Tensor& output) {
    return output;
  }
};

/// The model's input, before the first block: the rows of virtual tokens, if there are any, then
/// the N rows of the real ones.
struct ModelInput {
  Tensor embeddings;  ///< (P + N, D)
  Tensor positions;   ///< (P + N) int64
  Tensor types;       ///< (N) int64, which of two texts a token is of; undefined: all of the first
  Tensor targets;     ///< (N) int64, already shifted; undefined when nothing is scored
  Tensor first_targets;    ///< (B) int64, label of each segment's first token; as `targets`
  Tensor weights;          ///< (N) float32, what each target counts; undefined: 1 each
  Tensor first_weights;    ///< (B) float32, as `weights`
  Segments segments;       ///< of all rows
  bool continues = false;  ///< these tokens follow others that a cache holds
};

/// Rides on the model's input: puts virtual tokens in front, or moves positions.
class InputHook : public torch::nn::Module {
 public:
  virtual void forward(ModelInput& input) = 0;
  /// Positions that it takes from every sequence.
  virtual int64_t positions() const = 0;
};

/// A place for one hook. Whoever plugs a hook in takes it out again.
template <class Hook>
class Socket {
 public:
  explicit operator bool() const { return hook_ != nullptr; }
  Hook* operator->() const { return hook_.get(); }

  /// The socket must be free: two adapters at once are one hook that routes.
  void plug(std::shared_ptr<Hook> hook) {
    TORCH_INTERNAL_ASSERT(hook_ == nullptr, "a socket holds one hook");
    hook_ = std::move(hook);
  }
  void unplug() { hook_.reset(); }

 private:
  std::shared_ptr<Hook> hook_;
};

}  // namespace peft
