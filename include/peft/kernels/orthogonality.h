#pragma once

#include <vector>

#include "peft/kernels/tensor.h"

namespace peft {

/// The sum over all matrices of |M M^T - I| (Frobenius), float32 and one number: how far their rows
/// are from an orthonormal set (Zhang et al. 2023, equation 4, without the squares). `rows` (R, D)
/// count as they stand, `columns` (D, R) transposed. One node for all: its backward is
/// 2 (M M^T - I) M / |M M^T - I| each, and 0 where the rows are orthonormal.
Tensor orthogonality(const std::vector<Tensor>& rows, const std::vector<Tensor>& columns);

}  // namespace peft
