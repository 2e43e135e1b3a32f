#pragma once

#include <cstdint>

#include "peft/kernels/tensor.h"

namespace peft {

/// Inverted dropout whose mask is a pure function of (row key, layer key, column): it does not
/// depend on the batch a row travels in, on threads or on the device, and a resumed run draws it
/// again. Kept elements are multiplied by 1 / (1 - p). The backward recomputes the mask; only the
/// keys are saved. x: (N, D); row_keys: (N) int64 on x's device; 0 <= p < 1.
Tensor keyed_dropout(const Tensor& x, const Tensor& row_keys, int64_t layer_key, double p);

/// The mask alone, (N, columns) float32 of 0 and 1 / (1 - p), in plain ATen operators.
Tensor keyed_dropout_mask(const Tensor& row_keys, int64_t columns, int64_t layer_key, double p);

/// A well-mixed key from two numbers, for building row keys (for example from seed and position).
int64_t mix_keys(int64_t a, int64_t b);

}  // namespace peft
