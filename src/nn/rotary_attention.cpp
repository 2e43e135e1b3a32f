#include "peft/nn/rotary_attention.h"

#include "peft/kernels/rotary.h"

namespace peft {

RotaryAttention::RotaryAttention(int64_t hidden, const AttentionShape& s,
                                 const AttentionOptions& options, const AttentionBiases& biases,
                                 const HeadNorms& norms, const at::TensorOptions& tensors,
                                 size_t rope)
    : Attention(s, options), norms_(norms), rope_(rope) {
  const auto add = [&](const char* name, Place place, int64_t in, int64_t out, bool bias) {
    return register_module(name, std::make_shared<Linear>(place, in, out, bias, tensors));
  };
  q_ = add("q_proj", Place::kQuery, hidden, s.heads * s.head_dim, biases.qkv);
  k_ = add("k_proj", Place::kKey, hidden, s.kv_heads * s.head_dim, biases.qkv);
  v_ = add("v_proj", Place::kValue, hidden, s.kv_heads * s.head_dim, biases.qkv);
  o_ = add("o_proj", Place::kAttentionOut, s.heads * s.head_dim, hidden, biases.out);
  if (norms_.query != nullptr) {
    register_module("q_norm", norms_.query);
    register_module("k_norm", norms_.key);
  }
}

Tensor RotaryAttention::forward(const Tensor& x, const BlockInput& input) const {
  Tensor q = split_heads(q_->forward(x), shape().heads);
  if (norms_.query != nullptr) {
    q = norms_.query->forward(q);
  }
  auto [k, v] = project_kv(x);
  const Angles& angles = input.angles.at(rope_);
  return attend(rotary(q, angles.cos, angles.sin), rotary(k, angles.cos, angles.sin), v, input);
}

std::pair<Tensor, Tensor> RotaryAttention::project_kv(const Tensor& x) const {
  Tensor k = split_heads(k_->forward(x), shape().kv_heads);
  if (norms_.key != nullptr) {
    k = norms_.key->forward(k);
  }
  return {k, split_heads(v_->forward(x), shape().kv_heads)};
}

}  // namespace peft
