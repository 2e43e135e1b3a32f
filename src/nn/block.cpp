#include "peft/nn/block.h"

namespace peft {

PreNormBlock::PreNormBlock(const PreNormParts& parts)
    : attention_norm_(register_module(parts.attention_norm.name, parts.attention_norm.part)),
      attention_(register_module(parts.attention.name, parts.attention.part)),
      mlp_norm_(register_module(parts.mlp_norm.name, parts.mlp_norm.part)),
      mlp_(register_module(parts.mlp.name, parts.mlp.part)),
      parallel_(parts.parallel) {}

Tensor PreNormBlock::forward(const Tensor& x, const BlockInput& input) const {
  if (parallel_) {
    // The MLP joins first: a hook on its residual reads the stream that the MLP reads.
    const Tensor h = mlp_residual.add(x, mlp_->forward(mlp_norm_->forward(x)));
    return attention_residual.add(h, attention_->forward(attention_norm_->forward(x), input));
  }
  const Tensor h =
      attention_residual.add(x, attention_->forward(attention_norm_->forward(x), input));
  return mlp_residual.add(h, mlp_->forward(mlp_norm_->forward(h)));
}

}  // namespace peft
