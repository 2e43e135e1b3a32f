#pragma once

#include <torch/nn/module.h>

#include <memory>

#include "peft/nn/attention.h"
#include "peft/nn/mlp.h"
#include "peft/nn/norm.h"
#include "peft/nn/residual.h"

namespace peft {

/// One layer of a decoder: attention and MLP, each joining the stream at a residual.
class Block : public torch::nn::Module {
 public:
  /// x: (N, D) -> (N, D).
  virtual Tensor forward(const Tensor& x, const BlockInput& input) const = 0;

  Residual attention_residual, mlp_residual;
};

/// The four parts of a block, each with its checkpoint name.
struct PreNormParts {
  template <class Part>
  struct Named {
    const char* name;
    std::shared_ptr<Part> part;
  };
  Named<Norm> attention_norm;
  Named<Attention> attention;
  Named<Norm> mlp_norm;
  Named<Mlp> mlp;
  /// Both branches read the block's input; else the MLP reads what the attention has left.
  bool parallel = false;
};

/// h = x + attention(norm(x)), h + mlp(norm(h)); or, parallel, x + mlp(norm(x)) +
/// attention(norm(x)).
class PreNormBlock final : public Block {
 public:
  explicit PreNormBlock(const PreNormParts& parts);
  Tensor forward(const Tensor& x, const BlockInput& input) const override;

 private:
  std::shared_ptr<Norm> attention_norm_;
  std::shared_ptr<Attention> attention_;
  std::shared_ptr<Norm> mlp_norm_;
  std::shared_ptr<Mlp> mlp_;
  bool parallel_;
};

}  // namespace peft
