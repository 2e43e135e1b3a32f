#include "peft/data/near_duplicates.h"

#include <gtest/gtest.h>

#include <numeric>

namespace peft {
namespace {

/// Tokens first ... first + 99 with one of them changed.
Example row(int32_t first, int64_t changed = -1) {
  Example example;
  std::vector<int32_t> ids(100);
  std::iota(ids.begin(), ids.end(), first);
  if (changed >= 0) {
    ids[static_cast<size_t>(changed)] = 9999;
  }
  example.ids = ids;
  return example;
}

TEST(NearDuplicates, AreRowsWithAFewTokensChanged) {
  const std::vector<Example> rows = {row(0), row(1000), row(0, 50), row(0), row(1000, 3)};
  const std::vector<NearDuplicate> found = find_near_duplicates(rows);
  ASSERT_EQ(found.size(), 2);
  EXPECT_EQ(found[0].place, 2);
  EXPECT_EQ(found[0].earlier, 0);
  EXPECT_EQ(found[1].place, 4);
  EXPECT_EQ(found[1].earlier, 1);
}

TEST(NearDuplicates, HalfARowIsNone) {
  EXPECT_TRUE(find_near_duplicates(std::vector<Example>{row(0), row(50)}).empty());
}

}  // namespace
}  // namespace peft
