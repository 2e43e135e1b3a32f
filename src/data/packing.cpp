#include "peft/data/packing.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

namespace peft {
namespace {

/// Packs one window: `rows` are example indices in the epoch's order.
Groups pack_window(const std::vector<int64_t>& lengths, const std::vector<size_t>& rows,
                   int64_t budget) {
  std::vector<size_t> places(rows.size());  // places in the window, longest row first
  std::iota(places.begin(), places.end(), size_t{0});
  std::stable_sort(places.begin(), places.end(),
                   [&](size_t a, size_t b) { return lengths[rows[a]] > lengths[rows[b]]; });
  Groups packs;                               // of places
  std::set<std::pair<int64_t, size_t>> room;  // free tokens and pack, the tightest fit first
  for (const size_t place : places) {
    const int64_t length = lengths[rows[place]];
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
