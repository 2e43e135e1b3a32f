#include "subset_packing.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

namespace peft {
namespace {

/// Which sums from 0 to a limit can be reached, one bit each.
class ReachableSums {
 public:
  explicit ReachableSums(size_t limit) : limit_(limit), words_(limit / 64 + 1) { words_[0] = 1; }

  bool has(size_t sum) const { return (words_[sum / 64] >> (sum % 64) & 1) != 0; }

  /// Every sum also with `size` added.
  void add(size_t size) {
    const size_t whole = size / 64;
    const size_t bits = size % 64;
    for (size_t i = words_.size(); i-- > whole;) {
      uint64_t moved = words_[i - whole] << bits;
      if (bits > 0 && i > whole) {
        moved |= words_[i - whole - 1] >> (64 - bits);
      }
      words_[i] |= moved;
    }
  }

  /// The largest sum that is not above the limit.
  size_t largest() const {
    size_t sum = limit_;
    while (!has(sum)) {
      --sum;
    }
    return sum;
  }

 private:
  size_t limit_;
  std::vector<uint64_t> words_;
};

/// Rows that are left, by length.
class RowPool {
 public:
  explicit RowPool(const std::vector<int64_t>& lengths) {
    for (size_t place = lengths.size(); place-- > 0;) {
      rows_[lengths[place]].push_back(place);
    }
  }

  bool empty() const { return rows_.empty(); }
  int64_t longest() const { return rows_.begin()->first; }

  /// The earliest row of a length.
  size_t take(int64_t length) {
    const auto found = rows_.find(length);
    const size_t place = found->second.back();
    found->second.pop_back();
    if (found->second.empty()) {
      rows_.erase(found);
    }
    return place;
  }

  /// Lengths of rows that fill `room` best.
  std::vector<int64_t> fill(int64_t room) const {
    std::vector<Bundle> bundles;
    std::vector<ReachableSums> sums = {ReachableSums(static_cast<size_t>(room))};
    for (auto length = rows_.lower_bound(room); length != rows_.end(); ++length) {
      // Any number of rows of one length, as bundles of 1, 2, 4, ... of them.
      size_t left = std::min(length->second.size(), static_cast<size_t>(room / length->first));
      for (size_t count = 1; left > 0; count *= 2) {
        bundles.push_back({length->first, std::min(count, left)});
        left -= bundles.back().count;
        sums.push_back(sums.back());
        sums.back().add(bundles.back().size());
        if (sums.back().has(static_cast<size_t>(room))) {
          return chosen(bundles, sums);
        }
      }
    }
    return chosen(bundles, sums);
  }

 private:
  struct Bundle {
    int64_t length;
    size_t count;
    size_t size() const { return static_cast<size_t>(length) * count; }
  };

  /// Walks back from the largest sum: a bundle was needed where the sums before it lack the sum.
  static std::vector<int64_t> chosen(const std::vector<Bundle>& bundles,
                                     const std::vector<ReachableSums>& sums) {
    std::vector<int64_t> lengths;
    size_t sum = sums.back().largest();
    for (size_t i = bundles.size(); i-- > 0;) {
      if (!sums[i].has(sum)) {
        lengths.insert(lengths.end(), bundles[i].count, bundles[i].length);
        sum -= bundles[i].size();
      }
    }
    return lengths;
  }

  std::map<int64_t, std::vector<size_t>, std::greater<>> rows_;  // length -> places, last first
};

}  // namespace

std::vector<std::vector<size_t>> pack_by_subset_sums(const std::vector<int64_t>& lengths,
                                                     int64_t budget) {
  std::vector<std::vector<size_t>> packs;
  RowPool pool(lengths);
  while (!pool.empty()) {
    const int64_t longest = pool.longest();
    packs.push_back({pool.take(longest)});
    for (const int64_t length :
         longest < budget ? pool.fill(budget - longest) : std::vector<int64_t>()) {
      packs.back().push_back(pool.take(length));
    }
  }
  return packs;
}

}  // namespace peft
