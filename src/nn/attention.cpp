#include "peft/nn/attention.h"

#include <ATen/ATen.h>

namespace peft {

Tensor Attention::attend(const Tensor& q, const Tensor& k, const Tensor& v,
                         const Segments& segments, KvCache* cache) const {
  AttentionState state{q, k, v, segments, segments};
  if (cache != nullptr) {
    cache->extend(shape_.layer, segments, state.k, state.v, state.keys);
  }
  if (hook) {
    hook->before_scores(*this, state);
  }
  Tensor context = attention(state.q, state.k, state.v, state.queries, state.keys, options_);
  if (hook) {
    context = hook->after_context(*this, state, context);
  }
  return context.reshape({context.size(0), shape_.heads * shape_.head_dim});
}

Tensor split_heads(const Tensor& x, int64_t heads) {
  return x.view({x.size(0), heads, x.size(1) / heads});
}

}  // namespace peft
