#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "peft/kernels/checkpoint.h"
#include "peft/kernels/cross_entropy.h"
#include "peft/models/batch.h"
#include "peft/nn/attention.h"
#include "peft/nn/embedding.h"
#include "peft/nn/linear.h"
#include "peft/nn/residual.h"

namespace peft {

/// A projection and its checkpoint name ("model.layers.0.self_attn.q_proj").
struct NamedLinear {
  std::string path;
  Linear* linear;
};

/// A branch of a block: where it joins the stream, and the block's checkpoint name
/// ("model.layers.0").
struct NamedResidual {
  std::string path;
  bool is_mlp;  ///< else attention
  Residual* residual;
};

/// Sizes that methods, plans and generation ask for.
struct ModelShape {
  std::string architecture;  ///< "LlamaForCausalLM"
  std::string model_type;    ///< "llama"
  int64_t layers = 0;
  int64_t hidden = 0;
  int64_t vocabulary = 0;
  int64_t max_positions = 0;
  double logit_softcap = 0;  ///< logits become softcap * tanh(logits / softcap); 0: off
  bool causal = true;        ///< else every token sees all of its sequence
  /// Names of a classification head's classes, see class_labels; none: a language model.
  std::vector<std::string> labels = {};

  int64_t classes() const { return static_cast<int64_t>(labels.size()); }
};

/// A pretrained decoder, or an encoder with a classifier's head, frozen, with sockets. Module and
/// parameter names are the checkpoint's own, so loading matches names and maps nothing.
class CausalLM : public torch::nn::Module {
 public:
  const ModelShape& shape() const { return shape_; }
  /// Tokens that a sequence may have: the model's positions without those of virtual tokens.
  int64_t longest_sequence() const {
    return shape_.max_positions - (input_hook ? input_hook->positions() : 0);
  }

  /// Hidden states after the last norm, (N, D). `cache`, when given, extends and is advanced.
  Tensor hidden(const ModelInput& input, KvCache* cache = nullptr) const;

  /// The input of a batch, with the input hook's work done. `cache`: of the tokens before these.
  ModelInput input(const Batch& batch, const KvCache* cache = nullptr) const;

  /// The rows of `hidden` that belong to the batch's own tokens, (N, D).
  static Tensor real_rows(const Tensor& hidden, const ModelInput& input);

  /// (n, D) -> (n, V), in the model's dtype.
  Tensor logits(const Tensor& hidden) const;
  /// Of each of a batch's tokens, (N, V); of a classifier's sequences, (B, classes).
  Tensor logits(const Batch& batch) const;

  /// Sum of the next-token losses over the batch's scored tokens, each times its weight, and the
  /// tokens' number. With `count_correct` also how many the model would have predicted. Never holds
  /// all logits.
  HeadLoss loss(const Batch& batch, bool count_correct = false) const;

  /// Rows that the head sees and what they are scored against.
  struct ScoredStates {
    Tensor states;   ///< (n, D)
    Tensor targets;  ///< (n) int64
    Tensor weights;  ///< (n) float32, what each row's loss counts; undefined: 1 each
  };

  /// Token embeddings as a batch's rows begin, without positions: (N) -> (N, D).
  virtual Tensor embed(const Tensor& ids) const { return token_embedding().forward(ids); }

  /// Every projection that a method may ride on, in the checkpoint's order; the head and the parts
  /// of experts are not among them.
  std::vector<NamedLinear> projections() const;
  /// The attention of every block, in order.
  std::vector<Attention*> attentions() const;
  /// Both residuals of every block, in order.
  virtual std::vector<NamedResidual> residuals() const = 0;
  virtual Linear& head() const = 0;
  virtual Embedding& token_embedding() const = 0;
  /// Whether the head's matrix is the token embedding's.
  bool is_tied() const { return head().weight().is_same(token_embedding().weight()); }

  /// Whether the cached states of a sequence of `before` tokens hold when it grows to `after`.
  virtual bool keeps_states(int64_t /*before*/, int64_t /*after*/) const { return true; }

  /// Whether blocks keep only their inputs for the backward and are computed again there.
  void checkpoint_activations(bool on) { checkpoints_ = on; }

  Socket<InputHook> input_hook;
  /// Parameters of a new head, which no file holds.
  std::vector<std::string> new_parameters;

 protected:
  explicit CausalLM(ModelShape shape) : shape_(std::move(shape)) {}

  /// All blocks and the last norm.
  virtual Tensor trunk(const ModelInput& input, KvCache* cache) const = 0;

  /// What a classification head sees of each sequence, (B, D): the last token's state, as decoders
  /// have it. hidden: (N, D), of these sequences.
  virtual Tensor pooled(const Tensor& hidden, const Segments& segments) const;

  /// One block's result; the block is computed again in the backward if that was asked for.
  Tensor run_block(const std::function<Tensor(const Tensor&)>& block, const Tensor& x) const {
    return checkpoints_ ? checkpointed(block, x) : block(x);
  }

 private:
  Tensor pooled(const Batch& batch) const;
  ScoredStates scored_states(const Batch& batch) const;

  ModelShape shape_;
  bool checkpoints_ = false;
};

}  // namespace peft
