#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "peft/kernels/tensor.h"

namespace peft {

struct SharedPrefix;

/// Where each sequence of a ragged batch lies: segment b owns rows [bounds[b], bounds[b + 1]).
struct Segments {
  Tensor offsets;               ///< (B + 1) int32, on the batch's device
  std::vector<int64_t> bounds;  ///< (B + 1) the same numbers on the host
  int64_t longest = 0;          ///< rows of the longest segment, with the prefix it sees
  /// Set when segment 0 is a prefix that every other segment sees in front of itself.
  std::shared_ptr<const SharedPrefix> prefix = nullptr;

  /// B, the number of segments.
  int64_t count() const;
  /// Rows of segment b.
  int64_t length(int64_t b) const;
  /// Rows of all segments.
  int64_t total() const;
};

/// Segments of the given lengths, one after the other. A length may be zero.
Segments make_segments(std::span<const int64_t> lengths, at::Device device);

/// Virtual tokens in front of every sequence, computed once for all of them: under causal attention
/// their states depend on nothing behind them.
struct SharedPrefix {
  int64_t rows = 0;    ///< P
  Tensor key_rows;     ///< rows of the batch, in the order of `keys`
  Segments keys;       ///< the prefix, then prefix and sequence for each sequence
  Segments sequences;  ///< the last B of these, counted from 0: what a cache holds
};

/// A prefix of `rows` rows in front of the given sequences: segment 0, then the sequences.
Segments with_prefix(const Segments& sequences, int64_t rows);

/// The same segments with their offsets on another device.
Segments to_device(const Segments& segments, at::Device device);

}  // namespace peft
