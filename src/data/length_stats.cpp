#include "peft/data/length_stats.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "peft/util/text.h"

namespace peft {
namespace {

/// The smallest round number that is at least `least`.
int64_t round_width(int64_t least) {
  for (int64_t power = 1;; power *= 10) {
    for (const int64_t factor : {1, 2, 5}) {
      if (factor * power >= least) {
        return factor * power;
      }
    }
  }
}

/// Whole blocks and one part of a block (U+2588 to U+258F).
std::string bar_of(double length) {
  constexpr const char* kParts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto eighths = static_cast<int64_t>(std::llround(length * 8.0));
  std::string bar;
  for (int64_t i = 0; i < eighths / 8; ++i) {
    bar += "█";
  }
  return bar + kParts[eighths % 8];
}

}  // namespace

LengthStats length_stats(std::vector<int64_t> lengths) {
  LengthStats stats;
  if (lengths.empty()) {
    return stats;
  }
  std::sort(lengths.begin(), lengths.end());
  const auto quantile = [&](double share) {
    const double rank = std::ceil(share * static_cast<double>(lengths.size()) - 1e-6);
    return lengths[static_cast<size_t>(std::max(1.0, rank)) - 1];
  };
  stats.rows = static_cast<int64_t>(lengths.size());
  stats.tokens = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  stats.shortest = lengths.front();
  stats.median = quantile(0.5);
  stats.p90 = quantile(0.9);
  stats.p95 = quantile(0.95);
  stats.p99 = quantile(0.99);
  stats.longest = lengths.back();
  return stats;
}

std::vector<LengthBar> length_histogram(const std::vector<int64_t>& lengths, size_t bars) {
  if (lengths.empty()) {
    return {};
  }
  // The last bar takes the rows beyond the 99th percentile, which would stretch all others.
  const LengthStats stats = length_stats(lengths);
  const auto count = static_cast<int64_t>(bars);
  const int64_t width = round_width((stats.p99 + count - 1) / count);
  std::vector<LengthBar> drawn;
  for (int64_t from = 0; from < stats.p99; from += width) {
    drawn.push_back({from, from + width, 0});
  }
  if (stats.longest > drawn.back().to) {
    drawn.push_back({drawn.back().to, stats.longest, 0});
  }
  for (const int64_t length : lengths) {
    const auto place = static_cast<size_t>(std::max<int64_t>(0, length - 1) / width);
    ++drawn[std::min(place, drawn.size() - 1)].rows;
  }
  return drawn;
}

std::string draw_histogram(const std::vector<LengthBar>& bars, size_t width) {
  int64_t most = 1;
  for (const LengthBar& bar : bars) {
    most = std::max(most, bar.rows);
  }
  std::string text;
  for (const LengthBar& bar : bars) {
    text += fmt::format("{:>9} - {:<9} {:>10}  {}\n", with_commas(bar.from + 1),
                        with_commas(bar.to), with_commas(bar.rows),
                        bar_of(static_cast<double>(width) * static_cast<double>(bar.rows) /
                               static_cast<double>(most)));
  }
  return text;
}

Json length_json(const LengthStats& stats, const std::vector<LengthBar>& bars) {
  Json histogram = Json::array();
  for (const LengthBar& bar : bars) {
    histogram.push_back({{"from", bar.from + 1}, {"to", bar.to}, {"rows", bar.rows}});
  }
  return {{"rows", stats.rows},         {"tokens", stats.tokens}, {"mean", stats.mean()},
          {"shortest", stats.shortest}, {"median", stats.median}, {"p90", stats.p90},
          {"p95", stats.p95},           {"p99", stats.p99},       {"longest", stats.longest},
          {"histogram", histogram}};
}

}  // namespace peft
