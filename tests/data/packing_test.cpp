#include "peft/data/packing.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace peft {
namespace {

TEST(Packing, NoneTakesRowsInOrder) {
  EXPECT_EQ(pack_none({4, 1, 3, 0, 2}, 2), (Groups{{4, 1}, {3, 0}, {2}}));
  EXPECT_EQ(pack_none({}, 2), Groups{});
}

TEST(Packing, BestFitPutsARowWhereItLeavesTheLeastRoom) {
  const std::vector<int64_t> lengths = {6, 3, 4, 7, 5, 5};
  // Longest first: 7, 6, 5, 5, 4, 3. The 5s share a pack, 4 fits 6 exactly, 3 fits 7 exactly.
  EXPECT_EQ(pack_best_fit(lengths, {0, 1, 2, 3, 4, 5}, 10, 6), (Groups{{0, 2}, {1, 3}, {4, 5}}));
}

TEST(Packing, BestFitKeepsTheOrderOfItsRows) {
  const std::vector<int64_t> lengths = {1, 9, 1, 9};
  EXPECT_EQ(pack_best_fit(lengths, {2, 1, 3, 0}, 10, 4), (Groups{{2, 1}, {3, 0}}));
}

TEST(Packing, SubsetSumsFillWhereBestFitLeavesGaps) {
  // Best fit takes 6 + 4 and leaves 3 + 3 + 3 and 5 alone: one pack more.
  const std::vector<int64_t> lengths = {4, 3, 3, 3, 3, 3, 3, 4, 4};
  EXPECT_EQ(pack_best_fit(lengths, {0, 1, 2, 3, 4, 5, 6, 7, 8}, /*budget=*/10, /*window=*/9),
            (Groups{{0, 1, 2}, {3, 4, 7}, {5, 6, 8}}));
}

TEST(Packing, KeepsEveryRowOnceAndWithinTheBudget) {
  std::vector<int64_t> lengths;
  std::vector<size_t> order;
  for (size_t i = 0; i < 1000; ++i) {
    lengths.push_back(60 + static_cast<int64_t>(i * i % 97));
    order.push_back(i);
  }
  const Groups packs = pack_best_fit(lengths, order, /*budget=*/1024, /*window=*/1000);
  std::vector<size_t> seen;
  for (const std::vector<size_t>& pack : packs) {
    int64_t tokens = 0;
    for (const size_t row : pack) {
      tokens += lengths[row];
      seen.push_back(row);
    }
    EXPECT_LE(tokens, 1024);
  }
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, order);
  EXPECT_GT(packing_efficiency(lengths, packs, 1024), 0.97);
}

TEST(Packing, BestFitNeverMixesWindows) {
  const std::vector<int64_t> lengths = {6, 6, 4, 4};
  EXPECT_EQ(pack_best_fit(lengths, {0, 1, 2, 3}, 10, 2), (Groups{{0}, {1}, {2, 3}}));
}

TEST(Packing, ARowBeyondTheBudgetStandsAlone) {
  EXPECT_EQ(pack_best_fit({12, 1}, {0, 1}, 10, 2), (Groups{{0}, {1}}));
}

TEST(Packing, EfficiencyIsTheShareOfUsedSlots) {
  EXPECT_DOUBLE_EQ(packing_efficiency({6, 3, 4}, {{0, 1}, {2}}, 10), 0.65);
  EXPECT_DOUBLE_EQ(packing_efficiency({}, {}, 10), 1.0);
}

}  // namespace
}  // namespace peft
