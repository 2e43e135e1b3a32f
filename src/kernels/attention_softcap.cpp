#include "attention_softcap.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <cmath>

namespace peft {
namespace {

double score_scale(const Tensor& q, const AttentionOptions& options) {
  return options.scale != 0 ? options.scale : 1.0 / std::sqrt(static_cast<double>(q.size(-1)));
}

/// Query heads of one key head as rows: (b, H, Lq, x) -> (b, Hkv, group * Lq, x).
Tensor grouped(const Tensor& x, int64_t kv_heads) {
  return x.reshape({x.size(0), kv_heads, -1, x.size(3)});
}

/// tanh of the scaled scores over the cap, (b, Hkv, group * Lq, Lk).
Tensor squashed(const Tensor& q, const Tensor& k, double scale, double cap) {
  return at::matmul(q, k.transpose(-1, -2)).mul_(scale / cap).tanh_();
}

/// The capped scores with the mask added to every query head.
Tensor masked(const Tensor& squashed_scores, const Tensor& q, const std::optional<Tensor>& mask,
              double cap) {
  Tensor scores = squashed_scores * cap;
  if (mask) {
    const int64_t Lq = q.size(2);
    scores.view({q.size(0), -1, scores.size(2) / Lq, Lq, scores.size(3)}).add_(*mask);
  }
  return scores;
}

}  // namespace

std::tuple<Tensor, Tensor> softcap_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                             const std::optional<Tensor>& mask,
                                             const AttentionOptions& options) {
  const int64_t kv_heads = k.size(1);
  const double cap = options.softcap;
  Tensor scores =
      masked(squashed(grouped(q, kv_heads), k, score_scale(q, options), cap), q, mask, cap);
  const Tensor logsumexp = at::logsumexp(scores, -1, /*keepdim=*/true);
  const Tensor context = at::matmul(scores.sub_(logsumexp).exp_(), v);
  return {context.reshape(q.sizes()), logsumexp.reshape({q.size(0), q.size(1), q.size(2)})};
}

std::tuple<Tensor, Tensor, Tensor> softcap_attention_backward(
    const Tensor& grad, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out,
    const Tensor& logsumexp, const std::optional<Tensor>& mask, const AttentionOptions& options) {
  const int64_t kv_heads = k.size(1);
  const double scale = score_scale(q, options);
  const Tensor rows = grouped(q, kv_heads);
  const Tensor g = grouped(grad, kv_heads);
  const Tensor t = squashed(rows, k, scale, options.softcap);
  const Tensor weights =
      masked(t, q, mask, options.softcap).sub_(grouped(logsumexp.unsqueeze(-1), kv_heads)).exp_();
  const Tensor dv = at::matmul(weights.transpose(-1, -2), g);
  // Softmax: dS = P (dP - rowsum(dO O)); the cap: d(c tanh(s / c)) = 1 - tanh^2.
  const Tensor mean = (g * grouped(out, kv_heads)).sum(-1, /*keepdim=*/true);
  Tensor ds = at::matmul(g, v.transpose(-1, -2)).sub_(mean).mul_(weights);
  ds.mul_(t.square().neg_().add_(1)).mul_(scale);
  return {at::matmul(ds, k).reshape(q.sizes()), at::matmul(ds.transpose(-1, -2), rows), dv};
}

}  // namespace peft
