#include "peft/training/schedule.h"

#include <gtest/gtest.h>

namespace peft {
namespace {

TEST(Schedule, WarmsUpFromZero) {
  const Schedule schedule{.type = "constant", .peak = 2.0, .warmup_steps = 4, .total_steps = 10};
  EXPECT_DOUBLE_EQ(schedule.rate(0), 0.0);
  EXPECT_DOUBLE_EQ(schedule.rate(1), 0.5);
  EXPECT_DOUBLE_EQ(schedule.rate(4), 2.0);
  EXPECT_DOUBLE_EQ(schedule.rate(9), 2.0);
}

TEST(Schedule, DecaysInALine) {
  const Schedule schedule{.type = "linear", .peak = 1.0, .warmup_steps = 0, .total_steps = 4};
  EXPECT_DOUBLE_EQ(schedule.rate(0), 1.0);
  EXPECT_DOUBLE_EQ(schedule.rate(1), 0.75);
  EXPECT_DOUBLE_EQ(schedule.rate(3), 0.25);
}

TEST(Schedule, DecaysAlongACosineToItsFloor) {
  const Schedule schedule{.type = "cosine", .peak = 1.0, .floor = 0.1, .total_steps = 10};
  EXPECT_DOUBLE_EQ(schedule.rate(0), 1.0);
  EXPECT_NEAR(schedule.rate(5), 0.55, 1e-12);
  EXPECT_NEAR(schedule.rate(10), 0.1, 1e-12);
}

}  // namespace
}  // namespace peft
