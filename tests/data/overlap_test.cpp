#include "peft/data/overlap.h"

#include <gtest/gtest.h>

#include <random>

namespace peft {
namespace {

Example row_of(std::vector<int32_t> ids, int64_t line) {
  Example row;
  row.ids = std::move(ids);
  row.line = line;
  return row;
}

/// Rows of 100 random tokens.
std::vector<Example> random_rows(size_t count, uint32_t seed) {
  std::mt19937 numbers(seed);
  std::vector<Example> rows;
  for (size_t i = 0; i < count; ++i) {
    std::vector<int32_t> ids(100);
    for (int32_t& id : ids) {
      id = static_cast<int32_t>(numbers() % 500);
    }
    rows.push_back(row_of(ids, static_cast<int64_t>(i) + 1));
  }
  return rows;
}

Dataset data_of(std::vector<Example> rows) {
  Dataset data;
  data.examples = std::move(rows);
  return data;
}

TEST(Overlap, FindsHeldOutRowsThatAreTrainedOn) {
  const Dataset train = data_of(random_rows(200, 1));
  std::vector<Example> held_out = random_rows(50, 2);
  held_out[7].ids = train.examples[120].ids;
  std::vector<int32_t> changed = train.examples[3].ids.vector();
  changed[50] = 1000;
  held_out[31].ids = changed;  // 91 of 101 runs of five tokens are shared: 0.90
  const Overlap overlap = find_overlap(train, held_out);
  EXPECT_EQ(overlap.exact, std::vector<size_t>{7});
  EXPECT_EQ(overlap.near, std::vector<size_t>{31});
  EXPECT_EQ(describe(overlap, held_out),
            "of 50 held-out rows 1 are training rows too and 1 nearly so (lines 8, 32): their loss "
            "says little");
}

TEST(Overlap, TakesNoNoteOfHalfARow) {
  const Dataset train = data_of(random_rows(200, 1));
  std::vector<Example> held_out = random_rows(50, 2);
  std::vector<int32_t> changed = held_out[31].ids.vector();
  std::copy(train.examples[3].ids.begin(), train.examples[3].ids.begin() + 60, changed.begin());
  held_out[31].ids = changed;
  EXPECT_EQ(describe(find_overlap(train, held_out), held_out), "");
}

TEST(Overlap, ComparesRowsOfFewTokens) {
  const Dataset train = data_of({row_of({1, 2}, 1)});
  const std::vector<Example> held_out = {row_of({1, 2}, 1), row_of({2, 1}, 2)};
  EXPECT_EQ(find_overlap(train, held_out).exact, std::vector<size_t>{0});
  EXPECT_TRUE(find_overlap(train, held_out).near.empty());
}

}  // namespace
}  // namespace peft
