#pragma once

#include <tuple>

#include "peft/kernels/attention.h"
#include "peft/kernels/segments.h"
#include "peft/kernels/tensor.h"

namespace peft {

/// Output (N, H, Dh) and the log of each query's softmax denominator (N, H), for float32 and
/// float64 on the CPU. What attention_cpu_backward needs again.
std::tuple<Tensor, Tensor> attention_cpu(const Tensor& q, const Tensor& k, const Tensor& v,
                                         const Segments& queries, const Segments& keys,
                                         const AttentionOptions& options);

/// (dq, dk, dv) from the gradient of the output.
std::tuple<Tensor, Tensor, Tensor> attention_cpu_backward(
    const Tensor& grad, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out,
    const Tensor& logsumexp, const Segments& queries, const Segments& keys,
    const AttentionOptions& options);

/// Which of Lk keys each of Lq queries sees, (Lq, Lk) bool; query 0 stands at key `first_position`.
Tensor visible_keys(int64_t first_position, int64_t Lq, int64_t Lk, const AttentionOptions& options,
                    at::Device device);

}  // namespace peft
