#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace peft {

/// Packs rows one pack after the other: the longest row left, then rows whose lengths add up to the
/// rest of `budget`, or to as much of it as any do (subset sum by reachable sums, Bellman 1957).
/// Long rows are used first, so that short ones are left to fill gaps. Returns places in `lengths`;
/// a row longer than `budget` stands alone.
std::vector<std::vector<size_t>> pack_by_subset_sums(const std::vector<int64_t>& lengths,
                                                     int64_t budget);

}  // namespace peft
