#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>

#include "peft/kernels/tensor.h"
#include "row_kernels.h"

namespace peft {

/// The row kernels if all tensors are float32 on the CPU and this processor has them, else nullptr.
template <class... Tensors>
const RowKernels* fast_path(const Tensors&... tensors) {
  const bool fits = ((tensors.device().is_cpu() && tensors.scalar_type() == at::kFloat) && ...);
  return fits ? row_kernels() : nullptr;
}

/// x as (rows, D) with adjacent elements in a row; copied only if its strides ask for it.
inline Tensor as_rows(const Tensor& x) {
  if (x.dim() == 2 && (x.stride(1) == 1 || x.size(1) == 1)) {
    return x;
  }
  const int64_t width = x.size(-1);
  return x.contiguous().view({width == 0 ? 0 : x.numel() / width, width});
}

/// Calls body(begin, end) on parts of [0, rows), in threads when there is enough to do.
template <class Body>
void for_rows(int64_t rows, int64_t floats_per_row, const Body& body) {
  constexpr int64_t kFloatsPerTask = 16384;
  at::parallel_for(
      0, rows, std::max<int64_t>(1, kFloatsPerTask / std::max<int64_t>(1, floats_per_row)), body);
}

}  // namespace peft
