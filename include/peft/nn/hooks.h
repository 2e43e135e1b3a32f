#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <utility>

#include "peft/kernels/attention.h"
#include "peft/kernels/segments.h"
#include "peft/kernels/tensor.h"

namespace peft {

class Attention;
class Linear;

/// Rides on a projection and computes what it gives: the host's own result is `host.base(x)`.
class LinearHook : public torch::nn::Module {
 public:
  /// x: (N, in) -> (N, out).
  virtual Tensor forward(const Linear& host, const Tensor& x) = 0;
};

/// What attention is about to compute.
struct AttentionState {
  Tensor q;          ///< (N, H, Dh), rotated
  Tensor k, v;       ///< (M, Hkv, Dh), rotated; M = N without a cache and without a hook
  Segments queries;  ///< of q's rows
  Segments keys;     ///< of k's and v's rows, as many segments as `queries`
};

/// Rides on an attention layer: may add keys before the scores, or add to the context after them.
class AttentionHook : public torch::nn::Module {
 public:
  virtual void before_scores(const Attention& /*host*/, AttentionState& /*state*/) {}
  /// context: (N, H, Dh) -> the same shape.
  virtual Tensor after_context(const Attention& /*host*/, const AttentionState& /*state*/,
                               const Tensor& context) {
    return context;
  }
};

/// The model's input, before the first block.
struct ModelInput {
  Tensor embeddings;  ///< (N, D)
  Tensor positions;   ///< (N) int64
  Tensor targets;     ///< (N) int64, already shifted; undefined when nothing is scored
  Segments segments;
};

/// Rides on the model's input: prepends virtual tokens to every segment.
class InputHook : public torch::nn::Module {
 public:
  virtual void forward(ModelInput& input) = 0;
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
