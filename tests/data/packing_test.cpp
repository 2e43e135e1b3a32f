#include "peft/data/packing.h"

#include <gtest/gtest.h>

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
