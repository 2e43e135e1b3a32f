#include "peft/data/packing.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "subset_packing.h"

namespace peft {
namespace {

constexpr double kFull = 0.98;

/// Best-fit decreasing: each row, longest first, into the pack where it leaves the least room.
/// Returns places in `lengths`.
Groups best_fit(const std::vector<int64_t>& lengths, int64_t budget) {
  std::vector<size_t> places(lengths.size());
  std::iota(places.begin(), places.end(), size_t{0});
  std::stable_sort(places.begin(), places.end(),
                   [&](size_t a, size_t b) { return lengths[a] > lengths[b]; });
  Groups packs;
  std::set<std::pair<int64_t, size_t>> room;  // free tokens and pack, the tightest fit first
  for (const size_t place : places) {
    const int64_t length = lengths[place];
    const auto tightest = room.lower_bound({length, 0});
    if (tightest == room.end()) {
      room.emplace(budget - length, packs.size());
      packs.push_back({place});
      continue;
    }
    const auto [free, pack] = *tightest;
    packs[pack].push_back(place);
    room.erase(tightest);
    room.emplace(free - length, pack);
  }
  return packs;
}

/// Packs one window: `rows` are example indices in the epoch's order.
Groups pack_window(const std::vector<int64_t>& lengths, const std::vector<size_t>& rows,
                   int64_t budget) {
  std::vector<int64_t> here;
  for (const size_t row : rows) {
    here.push_back(lengths[row]);
  }
  Groups packs = best_fit(here, budget);
  // Rows of much the same length leave the same gap in every pack.
  if (packing_efficiency(here, packs, budget) < kFull) {
    Groups others = pack_by_subset_sums(here, budget);
    if (others.size() < packs.size()) {
      packs = std::move(others);
    }
  }
  for (std::vector<size_t>& pack : packs) {
    std::sort(pack.begin(), pack.end());
  }
  std::sort(packs.begin(), packs.end());
  for (std::vector<size_t>& pack : packs) {
    for (size_t& place : pack) {
      place = rows[place];
    }
  }
  return packs;
}

}  // namespace

Groups pack_none(const std::vector<size_t>& order, size_t rows_per_batch) {
  Groups batches;
  for (size_t begin = 0; begin < order.size(); begin += rows_per_batch) {
    const size_t end = std::min(order.size(), begin + rows_per_batch);
    batches.emplace_back(order.begin() + static_cast<std::ptrdiff_t>(begin),
                         order.begin() + static_cast<std::ptrdiff_t>(end));
  }
  return batches;
}

Groups pack_best_fit(const std::vector<int64_t>& lengths, const std::vector<size_t>& order,
                     int64_t budget, size_t window) {
  Groups packs;
  for (const std::vector<size_t>& rows : pack_none(order, window)) {
    for (std::vector<size_t>& pack : pack_window(lengths, rows, budget)) {
      packs.push_back(std::move(pack));
    }
  }
  return packs;
}

double packing_efficiency(const std::vector<int64_t>& lengths, const Groups& packs,
                          int64_t budget) {
  if (packs.empty()) {
    return 1.0;
  }
  int64_t used = 0;
  for (const std::vector<size_t>& pack : packs) {
    for (const size_t row : pack) {
      used += lengths[row];
    }
  }
  return static_cast<double>(used) /
         (static_cast<double>(budget) * static_cast<double>(packs.size()));
}

}  // namespace peft
