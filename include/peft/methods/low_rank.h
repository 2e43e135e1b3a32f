#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "peft/kernels/tensor.h"

namespace peft {

/// A change of a matrix (out, in) in LoRA's form: scale B A.
struct LowRank {
  Tensor a;  ///< (R, in) float32
  Tensor b;  ///< (out, R) float32
  double scale = 1.0;

  int64_t rank() const { return a.size(0); }
  /// The largest rank that such a change can have: min(in, out).
  int64_t full_rank() const { return std::min(a.size(1), b.size(0)); }
  /// (out, in)
  Tensor product() const;
  /// Its Frobenius norm, in double precision and without the product.
  double norm() const;
};

/// The sum of the updates, exactly: factors one behind the other, scale 1.
LowRank stacked(const std::vector<LowRank>& updates);

/// The nearest update of at most `rank` by Frobenius' norm: the largest singular values, shared
/// evenly between both factors (Eckart & Young 1936). Values that are rounding alone are left out;
/// one is always kept. The rank is cut to what the shape allows.
LowRank nearest(const Tensor& matrix, int64_t rank);

/// The same for a matrix that is a product already, which is never formed.
LowRank nearest(const LowRank& update, int64_t rank);

/// |approximation - original| / |original| by Frobenius' norm, in double precision; 0 when the
/// original is zero.
double relative_error(const LowRank& approximation, const Tensor& original);
double relative_error(const LowRank& approximation, const LowRank& original);

}  // namespace peft
