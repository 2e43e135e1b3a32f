#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "peft/util/json.h"

namespace peft {

/// What rows of these lengths come to with packing "bfd".
struct PackingGain {
  int64_t rows = 0;
  int64_t packs = 0;
  double full = 1.0;  ///< share of the packs' slots that hold a token
};
PackingGain packing_gain(const std::vector<int64_t>& lengths, int64_t max_length);

/// The smallest multiple of 64 that keeps 99.5 % of the rows whole, at most `positions`.
int64_t suggested_max_length(const std::vector<int64_t>& lengths, int64_t positions);

/// Lines with what to set, and why; none when all is well. `packs`: packing is on already.
std::vector<std::string> advice(const std::vector<int64_t>& lengths, int64_t max_length,
                                int64_t positions, bool packs);

}  // namespace peft
