#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "peft/methods/adapter.h"

namespace peft {

/// Constants of an optimizer; the learning rate comes with each step.
struct OptimizerOptions {
  std::string type = "adamw";  ///< adamw, sgd
  double weight_decay = 0.0;   ///< decoupled; tensors of two and more dimensions only
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  /// LoRA+ (Hayou et al. 2024, section 3): matrices B and vectors learn at this many times the
  /// rate, LoRA on embeddings at a rate of its own (a share of the others'). 0: off.
  double loraplus_ratio = 0.0;
  double loraplus_embedding_share = 0.0;
};

/// AdamW (Loshchilov & Hutter 2019, algorithm 2) or plain SGD over one flat float32 buffer. The
/// tensors and their gradients become views of it, so norm, clipping and update are one call each.
class Optimizer {
 public:
  Optimizer(const NamedTensors& tensors, const OptimizerOptions& options);

  /// Multiplies all gradients by `factor` (one over the step's scored tokens).
  void scale_gradients(double factor);
  /// Euclidean norm of all gradients, float64.
  double gradient_norm() const;
  /// Scales the gradients so that their norm is at most `limit`, as torch's clip_grad_norm_.
  void clip_gradients(double norm, double limit);
  /// One update. The gradients stay until `zero_gradients`.
  void step(double learning_rate);
  void zero_gradients();

  /// Moments of each tensor ("<name>.exp_avg", "<name>.exp_avg_sq") and "steps"; views, not copies.
  NamedTensors state() const;
  /// Takes what `state` gave. All mismatches are reported together. Throws ModelError.
  void restore(const NamedTensors& state, const std::string& where);

  /// All numbers that train and their gradients, (total) float32.
  const Tensor& values() const { return values_; }
  const Tensor& gradients() const { return gradients_; }

 private:
  struct Span {
    std::string name;
    int64_t begin = 0;
    std::vector<int64_t> shape;
  };
  /// Tensors that follow one another in the buffers and are treated alike.
  struct Group {
    int64_t begin = 0;
    int64_t length = 0;
    bool decays = false;
    double rate = 1.0;  // share of the step's learning rate
  };
  Group group_of(const std::string& name, const Tensor& tensor) const;
  void step_group(const Group& group, double learning_rate);

  OptimizerOptions options_;
  std::vector<Span> spans_;  // of the tensors in the buffers
  std::vector<Group> groups_;
  int64_t total_ = 0;
  int64_t steps_ = 0;
  Tensor values_, gradients_, first_, second_;  // (total) float32
};

}  // namespace peft
