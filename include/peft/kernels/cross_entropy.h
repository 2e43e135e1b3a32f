#pragma once

#include <cstdint>
#include <functional>

#include "peft/kernels/tensor.h"

namespace peft {

/// Target of a row that is not scored.
inline constexpr int64_t kNotScored = -100;

/// How the head and its loss are computed.
struct CrossEntropyOptions {
  int64_t chunk_rows = 0;      ///< rows of logits held at once; 0: what fits 31 MB on a CPU
  bool count_correct = false;  ///< also count the rows whose largest logit is the target's
  double softcap = 0;          ///< logits become softcap * tanh(logits / softcap); 0: off
  Tensor weights = {};         ///< (N) float32, what each row's loss is multiplied by; undefined: 1
};

/// The loss of a batch: a sum, so that the caller divides by the tokens of a whole step.
struct HeadLoss {
  Tensor sum;  ///< scalar float32, sum of weight * -log p(target) of scored rows; has grad_fn
  int64_t tokens = 0;  ///< scored rows
  Tensor correct;      ///< scalar int64; undefined unless count_correct
};

/// Language-model head and cross-entropy together, without ever holding all logits. Rows whose
/// target is kNotScored cost nothing. When a gradient is wanted it is computed in this call, chunk
/// by chunk with the softmax turned into dlogits in place, and the backward only multiplies by the
/// incoming scalar; otherwise only the loss is computed. hidden: (N, D); head_weight: (V, D), may
/// require a gradient; head_bias: (V) or undefined; targets: (N) int64, already shifted. A target
/// outside [0, V) other than kNotScored is a bug.
HeadLoss head_cross_entropy(const Tensor& hidden, const Tensor& head_weight,
                            const Tensor& head_bias, const Tensor& targets,
                            const CrossEntropyOptions& options = {});

/// The same for a head that is more than a matrix (hooks ride on it): `head` maps (n, D) rows to
/// (n, V) logits and is differentiated by autograd chunk by chunk, so that no two chunks' logits
/// live together. `trainable` lists the tensors inside `head` that train; they get their gradients
/// through the result like hidden. `vocabulary` is V.
HeadLoss head_cross_entropy(const Tensor& hidden,
                            const std::function<Tensor(const Tensor& rows)>& head,
                            at::TensorList trainable, int64_t vocabulary, const Tensor& targets,
                            const CrossEntropyOptions& options = {});

/// The first by plain ATen operators with all logits in memory, differentiable by autograd.
HeadLoss head_cross_entropy_reference(const Tensor& hidden, const Tensor& head_weight,
                                      const Tensor& head_bias, const Tensor& targets,
                                      const CrossEntropyOptions& options = {});

}  // namespace peft
