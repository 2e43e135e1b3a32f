#include "peft/data/near_duplicates.h"

#include <optional>
#include <unordered_map>

#include "min_hash.h"
#include "peft/util/signals.h"

namespace peft {
namespace {

constexpr size_t kBandWidth = 6;  // of the hashes: a pair at 0.8 is met with 0.998
constexpr size_t kBands = kMinHashes / kBandWidth;
constexpr size_t kMostCompared = 16;  // rows of one band
constexpr double kLeastShared = 0.8;

/// Rows so far, to be asked for one like another.
class EarlierRows {
 public:
  explicit EarlierRows(std::span<const Example> rows) : rows_(rows) {}

  /// The first row found that is nearly this one; nothing for a row like none, or equal to one.
  std::optional<size_t> like(size_t place) {
    const MinHashes hashes = min_hashes(rows_[place].ids);
    std::optional<size_t> near;
    for (size_t band = 0; band < kBands; ++band) {
      for (const size_t number : by_band_[band_key(hashes, band, kBandWidth)]) {
        const size_t other = places_[number];
        if (rows_[other].ids == rows_[place].ids) {
          return std::nullopt;
        }
        if (!near && agreement(hashes_[number], hashes) >= kLeastShared) {
          near = other;
        }
      }
    }
    if (!near) {
      remember(place, hashes);
    }
    return near;
  }

 private:
  void remember(size_t place, const MinHashes& hashes) {
    for (size_t band = 0; band < kBands; ++band) {
      std::vector<size_t>& numbers = by_band_[band_key(hashes, band, kBandWidth)];
      if (numbers.size() < kMostCompared) {
        numbers.push_back(places_.size());
      }
    }
    places_.push_back(place);
    hashes_.push_back(hashes);
  }

  std::span<const Example> rows_;
  std::vector<size_t> places_;  // of the rows that are like none before them
  std::vector<MinHashes> hashes_;
  std::unordered_map<uint64_t, std::vector<size_t>> by_band_;  // numbers of such rows
};

}  // namespace

std::vector<NearDuplicate> find_near_duplicates(std::span<const Example> examples) {
  EarlierRows earlier(examples);
  std::vector<NearDuplicate> found;
  for (size_t place = 0; place < examples.size(); ++place) {
    check_not_stopped();
    if (const std::optional<size_t> other = earlier.like(place)) {
      found.push_back({place, *other});
    }
  }
  return found;
}

}  // namespace peft
