#include "peft/kernels/attention.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <cmath>
#include <utility>
#include <vector>

#include "attention_cpu.h"
#include "node.h"
#include "peft/kernels/cuda_table.h"

namespace peft {
namespace {

class AttentionBackward final : public KernelNode {
 public:
  std::string name() const override { return "AttentionBackward"; }
  void set(Segments queries, Segments keys, const AttentionOptions& options) {
    queries_ = std::move(queries);
    keys_ = std::move(keys);
    options_ = options;
  }

 private:
  enum Kept { kQ, kK, kV, kLogsumexp, kRandomState, kOut };

  variable_list apply(variable_list&& grads) override {
    if (!grads[0].defined()) {
      return variable_list(3);
    }
    const at::NoGradGuard no_grad;
    auto [dq, dk, dv] = gradients(grads[0], kept(kQ), kept(kK), kept(kV));
    return {dq, dk, dv};
  }

  std::tuple<Tensor, Tensor, Tensor> gradients(const Tensor& grad, const Tensor& q, const Tensor& k,
                                               const Tensor& v) {
    const Tensor out = kept(kOut);
    const Tensor logsumexp = kept(kLogsumexp);
    if (q.is_cuda()) {
      return cuda_table()->attention_backward(grad, q, k, v, out, logsumexp, kept(kRandomState),
                                              queries_, keys_, options_);
    }
    return attention_cpu_backward(grad, q, k, v, out, logsumexp, queries_, keys_, options_);
  }

  Segments queries_;
  Segments keys_;
  AttentionOptions options_;
};

// Whether every query sees a key; what fused kernels give otherwise is not promised.
bool all_see_a_key(const Segments& queries, const Segments& keys, const AttentionOptions& options) {
  for (int64_t b = 0; b < queries.count(); ++b) {
    const int64_t least = options.causal ? queries.length(b) : 1;
    if (queries.length(b) > 0 && keys.length(b) < least) {
      return false;
    }
  }
  return queries.total() > 0;
}

bool is_fast(const Tensor& q, const Tensor& k, const Segments& queries, const Segments& keys,
             const AttentionOptions& options) {
  if (q.is_cuda()) {
    return options.softcap == 0 && cuda_table() != nullptr &&
           all_see_a_key(queries, keys, options) &&
           cuda_table()->attention_supported(q, k, options);
  }
  return q.is_cpu() && (q.scalar_type() == at::kFloat || q.scalar_type() == at::kDouble);
}

struct ForwardResult {
  Tensor out;
  Tensor logsumexp;
  Tensor random_state;
};

ForwardResult run_forward(const Tensor& q, const Tensor& k, const Tensor& v,
                          const Segments& queries, const Segments& keys,
                          const AttentionOptions& options) {
  if (q.is_cuda()) {
    auto [out, logsumexp, random_state] =
        cuda_table()->attention_forward(q, k, v, queries, keys, options);
    return {out, logsumexp, random_state};
  }
  auto [out, logsumexp] = attention_cpu(q, k, v, queries, keys, options);
  return {out, logsumexp, Tensor()};
}

// One segment: q (Lq, H, Dh), k and v (Lk, Hkv, Dh) -> (Lq, H, Dh).
Tensor segment_reference(const Tensor& q, const Tensor& k, const Tensor& v,
                         const AttentionOptions& options) {
  const int64_t group = q.size(1) / k.size(1);
  const double scale =
      options.scale != 0 ? options.scale : 1.0 / std::sqrt(static_cast<double>(q.size(2)));
  const Tensor keys = k.repeat_interleave(group, 1).permute({1, 2, 0});
  const Tensor values = v.repeat_interleave(group, 1).transpose(0, 1);
  Tensor scores = at::matmul(q.transpose(0, 1), keys) * scale;
  if (options.softcap != 0) {
    scores = at::tanh(scores / options.softcap) * options.softcap;
  }
  const Tensor seen =
      visible_keys(k.size(0) - q.size(0), q.size(0), k.size(0), options, q.device());
  // The lowest finite number, not infinity: rows that see nothing stay finite and become zero
  // below.
  scores = scores.masked_fill(seen.logical_not(), -1e30);
  const Tensor weights = at::softmax(scores, -1) * seen;
  return at::matmul(weights, values).transpose(0, 1);
}

void check_shapes(const Tensor& q, const Tensor& k, const Tensor& v, const Segments& queries,
                  const Segments& keys) {
  TORCH_INTERNAL_ASSERT(q.dim() == 3 && k.dim() == 3 && k.sizes() == v.sizes(),
                        "attention wants q (N, H, Dh), k and v (M, Hkv, Dh)");
  TORCH_INTERNAL_ASSERT(k.size(1) > 0 && q.size(1) % k.size(1) == 0 && q.size(2) == k.size(2),
                        "attention wants H a multiple of Hkv and one head size");
  TORCH_INTERNAL_ASSERT(
      queries.count() == keys.count() && queries.total() == q.size(0) && keys.total() == k.size(0),
      "attention wants segments that cover q and k");
}

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const Segments& queries,
                 const Segments& keys, const AttentionOptions& options) {
  check_shapes(q, k, v, queries, keys);
  if (q.is_cpu() && (q.scalar_type() == at::kBFloat16 || q.scalar_type() == at::kHalf)) {
    // LibTorch's backward in these types is several times slower than float32's.
    const at::ScalarType wide = at::kFloat;
    return attention(q.to(wide), k.to(wide), v.to(wide), queries, keys, options)
        .to(q.scalar_type());
  }
  if (!is_fast(q, k, queries, keys, options)) {
    return attention_reference(q, k, v, queries, keys, options);
  }
  const auto node = make_node<AttentionBackward>(q, k, v);
  const at::NoGradGuard no_grad;
  const ForwardResult result = run_forward(q, k, v, queries, keys, options);
  if (node) {
    node->set(queries, keys, options);
    for (const Tensor& tensor : {q, k, v, result.logsumexp, result.random_state}) {
      node->keep(tensor);
    }
    link_output(result.out, node);
    node->keep_output(result.out);
  }
  return result.out;
}

Tensor attention_reference(const Tensor& q, const Tensor& k, const Tensor& v,
                           const Segments& queries, const Segments& keys,
                           const AttentionOptions& options) {
  check_shapes(q, k, v, queries, keys);
  const at::ScalarType wide = q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  std::vector<Tensor> parts;
  for (int64_t b = 0; b < queries.count(); ++b) {
    const int64_t i = queries.bounds[static_cast<size_t>(b)];
    const int64_t j = keys.bounds[static_cast<size_t>(b)];
    const int64_t rows = keys.length(b);
    parts.push_back(segment_reference(q.narrow(0, i, queries.length(b)).to(wide),
                                      k.narrow(0, j, rows).to(wide), v.narrow(0, j, rows).to(wide),
                                      options));
  }
  return parts.empty() ? q.clone() : at::cat(parts, 0).to(q.scalar_type());
}

}  // namespace peft
