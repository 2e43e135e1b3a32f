#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "peft/util/json.h"

namespace peft {

/// Lengths of rows in tokens.
struct LengthStats {
  int64_t rows = 0;
  int64_t tokens = 0;
  int64_t shortest = 0, median = 0, p90 = 0, p95 = 0, p99 = 0, longest = 0;

  double mean() const {
    return rows == 0 ? 0.0 : static_cast<double>(tokens) / static_cast<double>(rows);
  }
};

/// Quantiles are lengths that occur: the smallest that so many of the rows do not exceed.
LengthStats length_stats(std::vector<int64_t> lengths);

/// Rows with a length in (from, to]; the first bar begins at 1.
struct LengthBar {
  int64_t from = 0, to = 0;
  int64_t rows = 0;
};

/// At most `bars` bars of equal, round width (1, 2 or 5 times a power of ten); those at the end
/// that would be almost empty join in one that reaches the longest row.
std::vector<LengthBar> length_histogram(const std::vector<int64_t>& lengths, size_t bars = 12);

/// For a terminal, one line per bar; the fullest is `width` characters long.
std::string draw_histogram(const std::vector<LengthBar>& bars, size_t width = 40);

Json length_json(const LengthStats& stats, const std::vector<LengthBar>& bars);

}  // namespace peft
