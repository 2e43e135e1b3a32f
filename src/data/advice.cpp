#include "peft/data/advice.h"

#include <algorithm>

#include "peft/data/length_stats.h"
#include "peft/data/sampler.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr int64_t kStep = 64;         // tokens
constexpr double kWhole = 0.995;      // share of rows that a suggested length keeps whole
constexpr double kMostLost = 0.01;    // share of tokens
constexpr int64_t kWorthPacking = 4;  // rows of a pack

int64_t lost_tokens(const std::vector<int64_t>& lengths, int64_t max_length) {
  int64_t lost = 0;
  for (const int64_t length : lengths) {
    lost += std::max<int64_t>(0, length - max_length);
  }
  return lost;
}

}  // namespace

PackingGain packing_gain(const std::vector<int64_t>& lengths, int64_t max_length) {
  std::vector<int64_t> kept = lengths;
  for (int64_t& length : kept) {
    length = std::min(length, max_length);
  }
  const Sampler sampler(kept, {.packing = "bfd", .max_length = max_length});
  return {static_cast<int64_t>(kept.size()), static_cast<int64_t>(sampler.packs(0).size()),
          sampler.efficiency(0)};
}

int64_t suggested_max_length(const std::vector<int64_t>& lengths, int64_t positions) {
  std::vector<int64_t> sorted = lengths;
  std::sort(sorted.begin(), sorted.end());
  const auto place = static_cast<size_t>(kWhole * static_cast<double>(sorted.size()));
  const int64_t length = sorted.empty() ? kStep : sorted[std::min(place, sorted.size() - 1)];
  return std::min(positions, (length + kStep - 1) / kStep * kStep);
}

std::vector<std::string> advice(const std::vector<int64_t>& lengths, int64_t max_length,
                                int64_t positions, bool packs) {
  std::vector<std::string> lines;
  const int64_t suggested = suggested_max_length(lengths, positions);
  const LengthStats stats = length_stats(lengths);
  const int64_t lost = lost_tokens(lengths, max_length);
  if (static_cast<double>(lost) > kMostLost * static_cast<double>(stats.tokens) &&
      suggested > max_length) {
    lines.push_back(fmt::format(
        "data.max_length={}: {} cuts off {} tokens ({:.1f} %)", suggested, with_commas(max_length),
        with_commas(lost), 100.0 * static_cast<double>(lost) / static_cast<double>(stats.tokens)));
  }
  const PackingGain gain = packing_gain(lengths, max_length);
  if (!packs && gain.rows >= kWorthPacking * gain.packs) {
    lines.push_back(fmt::format(
        "data.packing=bfd: {} packs that are {:.1f} % full instead of {} rows of {:.0f} tokens",
        with_commas(gain.packs), 100.0 * gain.full, with_commas(gain.rows), stats.mean()));
  }
  return lines;
}

}  // namespace peft
