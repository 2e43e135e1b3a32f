#pragma once

#include <optional>
#include <tuple>

#include "peft/kernels/attention.h"
#include "peft/kernels/tensor.h"

namespace peft {

/// Attention with capped scores for a batch of equal pieces, which no fused kernel of LibTorch
/// knows. q: (b, H, Lq, Dh); k, v: (b, Hkv, Lk, Dh); mask: additive, (1, 1, Lq, Lk). Gives the
/// context (b, H, Lq, Dh) and the log of each query's softmax denominator (b, H, Lq).
std::tuple<Tensor, Tensor> softcap_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                             const std::optional<Tensor>& mask,
                                             const AttentionOptions& options);

/// (dq, dk, dv) from the gradient of the context and what the forward gave; scores are computed
/// again.
std::tuple<Tensor, Tensor, Tensor> softcap_attention_backward(
    const Tensor& grad, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out,
    const Tensor& logsumexp, const std::optional<Tensor>& mask, const AttentionOptions& options);

}  // namespace peft
