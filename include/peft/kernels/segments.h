#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "peft/kernels/tensor.h"

namespace peft {

/// Where each sequence of a ragged batch lies: segment b owns rows [bounds[b], bounds[b + 1]).
struct Segments {
  Tensor offsets;               ///< (B + 1) int32, on the batch's device
  std::vector<int64_t> bounds;  ///< (B + 1) the same numbers on the host
  int64_t longest = 0;          ///< rows of the longest segment

  /// B, the number of segments.
  int64_t count() const;
  /// Rows of segment b.
  int64_t length(int64_t b) const;
  /// Rows of all segments.
  int64_t total() const;
};

/// Segments of the given lengths, one after the other. A length may be zero.
Segments make_segments(std::span<const int64_t> lengths, at::Device device);

/// The same segments with their offsets on another device.
Segments to_device(const Segments& segments, at::Device device);

}  // namespace peft
