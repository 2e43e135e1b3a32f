#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "peft/data/example.h"

namespace peft {

/// A row that an earlier one nearly repeats.
struct NearDuplicate {
  size_t place = 0;
  size_t earlier = 0;
};

/// Rows that share about 0.8 or more of their runs of five tokens with an earlier row, without
/// being equal to it. A row is compared with few of those that look alike in part, so that rows
/// around one long template cost no more than others; of hundreds of near copies some may be
/// missed.
std::vector<NearDuplicate> find_near_duplicates(std::span<const Example> examples);

}  // namespace peft
