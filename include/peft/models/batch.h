#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "peft/data/example.h"
#include "peft/kernels/segments.h"
#include "peft/kernels/tensor.h"

namespace peft {

/// A ragged stream of N tokens: sequences one after the other, no padding anywhere.
struct Batch {
  Tensor ids;           ///< (N) int64
  Tensor labels;        ///< (N) int64 at the ids' positions, kIgnored where not scored
  Tensor weights;       ///< (N) float32, what each label counts; undefined: 1 each
  Tensor positions;     ///< (N) int64, from 0 in every segment
  Tensor types;         ///< (N) int64, 1 in the second of two texts; undefined: 0 everywhere
  Tensor classes;       ///< (B) int64, each row's class; undefined: the rows have none
  Tensor scores;        ///< (B) float32, each row's number to predict; 0 in rows without one
  Tensor dropout_keys;  ///< (N) int64, a function of seed and position alone; undefined: no dropout
  Segments segments;

  int64_t tokens() const { return segments.total(); }
  Batch to(at::Device device) const;
};

/// A batch of the given examples, on the CPU.
Batch make_batch(std::span<const Example* const> examples);

/// A batch of bare sequences; nothing is scored. Positions of sequence b start at `first[b]`
/// (empty: at 0).
Batch make_batch(const std::vector<std::vector<int32_t>>& sequences,
                 const std::vector<int64_t>& first = {});

/// What each row is scored against, (N): the label of the next token of its segment, kIgnored at a
/// segment's end. This is the one place where labels are shifted.
Tensor next_token_targets(const Tensor& labels, const Segments& segments);

}  // namespace peft
