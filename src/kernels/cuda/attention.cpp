#include "attention.h"

#include <ATen/ops/_efficient_attention_backward.h>
#include <ATen/ops/_efficient_attention_forward.h>
#include <ATen/ops/_flash_attention_backward.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/empty.h>
#include <cuda_runtime_api.h>

#include <optional>

namespace peft {
namespace {

// Queries at the end of their keys, as ours are; 1 would align them to the beginning.
constexpr int64_t kNoMask = 0;
constexpr int64_t kCausalFromBottomRight = 2;

bool is_half(const Tensor& x) {
  return x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kHalf;
}

// FlashAttention-2 needs compute capability 8.0.
bool has_flash(const Tensor& x) {
  int major = 0;
  return cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, x.get_device()) ==
             cudaSuccess &&
         major >= 8;
}

std::optional<double> scale_of(const AttentionOptions& options) {
  return options.scale == 0 ? std::nullopt : std::optional<double>(options.scale);
}

// Ours counts the query's own position, FlashAttention's the positions to its left.
std::optional<int64_t> left_of(const AttentionOptions& options) {
  return options.window == 0 ? std::nullopt : std::optional<int64_t>(options.window - 1);
}

std::optional<int64_t> right_of(const AttentionOptions& options) {
  if (options.window == 0) {
    return std::nullopt;
  }
  return options.causal ? 0 : -1;
}

Tensor with_adjacent_elements(const Tensor& x) {
  return x.stride(-1) == 1 ? x : x.contiguous();
}

// (N, Hkv, Dh) -> (1, N, H, Dh): the memory-efficient kernels know no grouped heads.
Tensor expanded(const Tensor& x, int64_t heads) {
  return x.repeat_interleave(heads / x.size(1), 1).unsqueeze(0);
}

// The reverse for gradients: the heads of a group add up.
Tensor folded(const Tensor& gradient, int64_t kv_heads) {
  const int64_t heads = gradient.size(2);
  return gradient.squeeze(0).unflatten(1, {kv_heads, heads / kv_heads}).sum(2);
}

int64_t mask_of(const AttentionOptions& options) {
  return options.causal ? kCausalFromBottomRight : kNoMask;
}

Tensor no_random_numbers(const Tensor& like) {
  return at::empty({}, like.options().dtype(at::kLong));
}

std::tuple<Tensor, Tensor, Tensor> efficient_forward(const Tensor& q, const Tensor& k,
                                                     const Tensor& v, const Segments& queries,
                                                     const Segments& keys,
                                                     const AttentionOptions& options) {
  const auto result = at::_efficient_attention_forward(
      q.unsqueeze(0), expanded(k, q.size(1)), expanded(v, q.size(1)), /*bias=*/std::nullopt,
      queries.offsets, keys.offsets, queries.longest, keys.longest, /*dropout_p=*/0.0,
      mask_of(options), /*compute_log_sumexp=*/true, scale_of(options));
  return {std::get<0>(result).squeeze(0), std::get<1>(result), Tensor()};
}

std::tuple<Tensor, Tensor, Tensor> efficient_backward(const Tensor& grad, const Tensor& q,
                                                      const Tensor& k, const Tensor& v,
                                                      const Tensor& out, const Tensor& logsumexp,
                                                      const Segments& queries, const Segments& keys,
                                                      const AttentionOptions& options) {
  const auto [dq, dk, dv, dbias] = at::_efficient_attention_backward(
      grad.unsqueeze(0), q.unsqueeze(0), expanded(k, q.size(1)), expanded(v, q.size(1)),
      /*bias=*/std::nullopt, out.unsqueeze(0), queries.offsets, keys.offsets, queries.longest,
      keys.longest, logsumexp, /*dropout_p=*/0.0, no_random_numbers(q), no_random_numbers(q),
      mask_of(options), /*bias_requires_grad=*/false, scale_of(options));
  return {dq.squeeze(0), folded(dk, k.size(1)), folded(dv, k.size(1))};
}

}  // namespace

bool cuda_attention_supported(const Tensor& q, const Tensor& k, const AttentionOptions& options) {
  if (options.softcap != 0 || q.scalar_type() != k.scalar_type() || q.size(2) % 8 != 0) {
    return false;
  }
  if (is_half(q)) {
    return q.size(2) <= 256 && has_flash(q);
  }
  return q.scalar_type() == at::kFloat && options.window == 0;
}

std::tuple<Tensor, Tensor, Tensor> cuda_attention_forward(const Tensor& q, const Tensor& k,
                                                          const Tensor& v, const Segments& queries,
                                                          const Segments& keys,
                                                          const AttentionOptions& options) {
  if (!is_half(q)) {
    return efficient_forward(q.contiguous(), k, v, queries, keys, options);
  }
  const auto result = at::_flash_attention_forward(
      with_adjacent_elements(q), with_adjacent_elements(k), with_adjacent_elements(v),
      queries.offsets, keys.offsets, queries.longest, keys.longest, /*dropout_p=*/0.0,
      options.causal, /*return_debug_mask=*/false, scale_of(options), left_of(options),
      right_of(options));
  return {std::get<0>(result), std::get<1>(result), std::get<2>(result)};
}

std::tuple<Tensor, Tensor, Tensor> cuda_attention_backward(
    const Tensor& grad, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out,
    const Tensor& logsumexp, const Tensor& random_state, const Segments& queries,
    const Segments& keys, const AttentionOptions& options) {
  if (!is_half(q)) {
    return efficient_backward(grad.contiguous(), q.contiguous(), k, v, out, logsumexp, queries,
                              keys, options);
  }
  const Tensor state = random_state.defined() ? random_state : no_random_numbers(q);
  return at::_flash_attention_backward(
      grad.contiguous(), with_adjacent_elements(q), with_adjacent_elements(k),
      with_adjacent_elements(v), out, logsumexp, queries.offsets, keys.offsets, queries.longest,
      keys.longest, /*dropout_p=*/0.0, options.causal, state, no_random_numbers(q),
      scale_of(options), left_of(options), right_of(options));
}

}  // namespace peft
