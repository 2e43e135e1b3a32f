#pragma once

#include <cstdint>

#include "peft/kernels/segments.h"
#include "peft/kernels/tensor.h"

namespace peft {

/// What a query may see, and how scores are formed.
struct AttentionOptions {
  bool causal = true;
  int64_t window = 0;  ///< sliding window: key j is seen by query i iff j > i - window; 0: no limit
  double scale = 0;    ///< factor on q k^T; 0: 1 / sqrt(Dh)
  double softcap = 0;  ///< scores become softcap * tanh(scores / softcap); 0: off
};

/// Softmax attention inside each segment, without padding and without masks in memory. Queries are
/// aligned to the end of their segment's keys: query i of Lq stands at position i + Lk - Lq, so a
/// causal one sees keys j <= i + Lk - Lq. A query that sees no key gives zeros.
/// q: (N, H, Dh); k, v: (M, Hkv, Dh), H a multiple of Hkv; any strides. Result: (N, H, Dh).
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const Segments& queries,
                 const Segments& keys, const AttentionOptions& options = {});

/// The same by matmul and softmax in float32 (float64 for float64 inputs), segment by segment.
Tensor attention_reference(const Tensor& q, const Tensor& k, const Tensor& v,
                           const Segments& queries, const Segments& keys,
                           const AttentionOptions& options = {});

}  // namespace peft
