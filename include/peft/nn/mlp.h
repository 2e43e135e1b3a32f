#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>

#include "peft/nn/activation.h"
#include "peft/nn/linear.h"

namespace peft {

/// The second branch of a block.
class Mlp : public torch::nn::Module {
 public:
  /// x: (N, D), already normed -> (N, D).
  virtual Tensor forward(const Tensor& x) const = 0;
};

/// Sizes of an MLP.
struct MlpShape {
  int64_t hidden = 0;  ///< D
  int64_t width = 0;   ///< F
  bool with_bias = false;
};

/// down(f(gate(x)) * up(x)) under Llama's names: gate_proj, up_proj, down_proj.
class GatedMlp final : public Mlp {
 public:
  GatedMlp(const MlpShape& shape, Activation f, const at::TensorOptions& options);
  Tensor forward(const Tensor& x) const override;

 private:
  Activation f_;
  std::shared_ptr<Linear> gate_, up_, down_;
};

/// down(f(up(x))) under names of its own.
class PlainMlp final : public Mlp {
 public:
  PlainMlp(const char* up, const char* down, const MlpShape& shape, Activation f,
           const at::TensorOptions& options, WeightLayout layout = WeightLayout::kOutIn);
  Tensor forward(const Tensor& x) const override;

 private:
  Activation f_;
  std::shared_ptr<Linear> up_, down_;
};

}  // namespace peft
