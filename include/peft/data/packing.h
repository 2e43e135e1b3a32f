#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace peft {

/// Groups of example indices: micro-batches, or packs.
using Groups = std::vector<std::vector<size_t>>;

/// Groups of `rows_per_batch` rows in the given order; the last may hold fewer.
Groups pack_none(const std::vector<size_t>& order, size_t rows_per_batch);

/// Best-fit decreasing over windows of `window` rows of `order`: whole rows only, at most `budget`
/// tokens in a group (a longer row stands alone). A window that would be less than 98 % full is
/// packed by subset sums where that takes fewer packs. Rows of a group, and the groups themselves,
/// keep the order of their earliest row, so that a shuffled order stays shuffled.
Groups pack_best_fit(const std::vector<int64_t>& lengths, const std::vector<size_t>& order,
                     int64_t budget, size_t window);

/// Share of the slots (`budget` for each group) that hold a token; 1 for no groups.
double packing_efficiency(const std::vector<int64_t>& lengths, const Groups& packs, int64_t budget);

}  // namespace peft
