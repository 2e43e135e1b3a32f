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
  void step_range(int64_t begin, int64_t length, double learning_rate, double weight_decay);

  OptimizerOptions options_;
  std::vector<Span> spans_;  // of the tensors in the buffers
  int64_t decayed_ = 0;      // numbers at the front of the buffers that weight decay applies to
  int64_t total_ = 0;
  int64_t steps_ = 0;
  Tensor values_, gradients_, first_, second_;  // (total) float32
};

}  // namespace peft
