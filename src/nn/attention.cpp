#include "peft/nn/attention.h"

#include <ATen/ATen.h>

namespace peft {
namespace {

/// Gives every segment the shared prefix's keys and values in front of its own.
void spread_prefix(const SharedPrefix& prefix, AttentionState& state, int64_t layer,
                   KvCache* cache) {
  state.k = state.k.index_select(0, prefix.key_rows);
  state.v = state.v.index_select(0, prefix.key_rows);
  state.keys = prefix.keys;
  if (cache != nullptr) {
    // The cache holds each sequence with its copy of the prefix; these are the prefix's own
    // queries.
    Tensor k = state.k.narrow(0, prefix.rows, state.k.size(0) - prefix.rows);
    Tensor v = state.v.narrow(0, prefix.rows, state.v.size(0) - prefix.rows);
    Segments keys;
    cache->extend(layer, prefix.sequences, k, v, keys);
  }
}

}  // namespace

Tensor Attention::attend(const Tensor& q, const Tensor& k, const Tensor& v,
                         const BlockInput& input) const {
  const Segments& segments = input.segments;
  KvCache* const cache = input.cache;
  AttentionState state{q, k, v, segments, segments};
  if (segments.prefix) {
    spread_prefix(*segments.prefix, state, shape_.layer, cache);
  } else if (cache != nullptr) {
    cache->extend(shape_.layer, segments, state.k, state.v, state.keys);
  }
  if (hook) {
    hook->before_scores(*this, state);
  }
  Tensor context = attention(state.q, state.k, state.v, state.queries, state.keys, options_);
  if (hook) {
    context = hook->after_context(*this, state, context);
  }
  const Tensor output =
      out_projection().forward(context.reshape({context.size(0), shape_.heads * shape_.head_dim}));
  return hook ? hook->after_output(*this, state, output) : output;
}

Tensor split_heads(const Tensor& x, int64_t heads) {
  return x.view({x.size(0), heads, x.size(1) / heads});
}

}  // namespace peft
