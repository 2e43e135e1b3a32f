#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "peft/data/dataset.h"

namespace peft {

/// Held-out rows that the model is trained on, which makes their loss worthless.
struct Overlap {
  std::vector<size_t> exact;  ///< places of held-out rows with the tokens of a training row
  std::vector<size_t> near;   ///< others that share about 0.8 of all their runs of five tokens
};

/// Compares every held-out row with every training row: by the least of 128 hashes of their runs of
/// five tokens (Broder 1997), whose agreement estimates the share (Jaccard) within 0.04. Linear in
/// the tokens.
Overlap find_overlap(const Dataset& train, std::span<const Example> held_out);

/// One line for the run's record, or "" when nothing overlaps.
std::string describe(const Overlap& overlap, std::span<const Example> held_out);

}  // namespace peft
