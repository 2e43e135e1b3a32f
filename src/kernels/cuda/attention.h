#pragma once

#include <tuple>

#include "peft/kernels/attention.h"

namespace peft {

/// FlashAttention-2 over segments for bfloat16 and float16, memory-efficient attention for float32
/// without a window. See CudaTable.
bool cuda_attention_supported(const Tensor& q, const Tensor& k, const AttentionOptions& options);

std::tuple<Tensor, Tensor, Tensor> cuda_attention_forward(const Tensor& q, const Tensor& k,
                                                          const Tensor& v, const Segments& queries,
                                                          const Segments& keys,
                                                          const AttentionOptions& options);

std::tuple<Tensor, Tensor, Tensor> cuda_attention_backward(
    const Tensor& grad, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out,
    const Tensor& logsumexp, const Tensor& random_state, const Segments& queries,
    const Segments& keys, const AttentionOptions& options);

}  // namespace peft
