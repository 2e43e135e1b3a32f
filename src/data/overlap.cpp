#include "peft/data/overlap.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "min_hash.h"
#include "peft/util/signals.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr size_t kBand = 4;  // hashes that must agree for a pair to be looked at
constexpr double kNearlySame = 0.8;
constexpr size_t kMostShown = 10;

enum class Match { kNone, kNear, kExact };

/// The held-out rows, ready to be asked for rows like a given one.
class HeldOutRows {
 public:
  explicit HeldOutRows(std::span<const Example> rows) : rows_(rows), found_(rows.size()) {
    for (size_t place = 0; place < rows.size(); ++place) {
      signatures_.push_back(min_hashes(rows[place].ids));
      for (size_t band = 0; band < kMinHashes / kBand; ++band) {
        by_band_.emplace(band_key(signatures_.back(), band, kBand), place);
      }
    }
  }

  void compare(const Example& trained) {
    const MinHashes signature = min_hashes(trained.ids);
    for (size_t band = 0; band < kMinHashes / kBand; ++band) {
      const auto [begin, end] = by_band_.equal_range(band_key(signature, band, kBand));
      for (auto entry = begin; entry != end; ++entry) {
        Match& match = found_[entry->second];
        if (match == Match::kExact) {
          continue;
        }
        if (rows_[entry->second].ids == trained.ids) {
          match = Match::kExact;
        } else if (agreement(signatures_[entry->second], signature) >= kNearlySame) {
          match = Match::kNear;
        }
      }
    }
  }

  Match match_of(size_t place) const { return found_[place]; }

 private:
  std::span<const Example> rows_;
  std::vector<MinHashes> signatures_;
  std::unordered_multimap<uint64_t, size_t> by_band_;  // key of a band -> place
  std::vector<Match> found_;                           // of every row
};

}  // namespace

Overlap find_overlap(const Dataset& train, std::span<const Example> held_out) {
  Overlap overlap;
  if (held_out.empty()) {
    return overlap;
  }
  HeldOutRows rows(held_out);
  train.walk([&](const Example& example) {
    check_not_stopped();
    rows.compare(example);
  });
  for (size_t place = 0; place < held_out.size(); ++place) {
    const Match match = rows.match_of(place);
    if (match != Match::kNone) {
      (match == Match::kExact ? overlap.exact : overlap.near).push_back(place);
    }
  }
  return overlap;
}

std::string describe(const Overlap& overlap, std::span<const Example> held_out) {
  if (overlap.exact.empty() && overlap.near.empty()) {
    return "";
  }
  std::vector<std::string> lines;
  for (const std::vector<size_t>* places : {&overlap.exact, &overlap.near}) {
    for (const size_t place : *places) {
      lines.push_back(std::to_string(held_out[place].line));
    }
  }
  const size_t shown = std::min(lines.size(), kMostShown);
  return fmt::format(
      "of {} held-out rows {} are training rows too and {} nearly so (lines {}{}): their loss says "
      "little",
      with_commas(static_cast<int64_t>(held_out.size())),
      with_commas(static_cast<int64_t>(overlap.exact.size())),
      with_commas(static_cast<int64_t>(overlap.near.size())),
      join({lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(shown)}, ", "),
      shown < lines.size() ? ", ..." : "");
}

}  // namespace peft
