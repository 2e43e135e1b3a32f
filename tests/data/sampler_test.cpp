#include "peft/data/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace peft {
namespace {

Dataset dataset_of(const std::vector<int32_t>& files, std::vector<double> weights) {
  Dataset dataset;
  for (const int32_t file : files) {
    Example example;
    example.ids = {1, 2, 3};
    example.file = file;
    dataset.examples.push_back(example);
  }
  dataset.weights = std::move(weights);
  return dataset;
}

std::vector<size_t> sorted(std::vector<size_t> rows) {
  std::sort(rows.begin(), rows.end());
  return rows;
}

TEST(Sampler, PermutationDependsOnSeedAndStreamOnly) {
  EXPECT_EQ(permutation(8, 42, 0), permutation(8, 42, 0));
  EXPECT_NE(permutation(8, 42, 0), permutation(8, 42, 1));
  EXPECT_NE(permutation(8, 42, 0), permutation(8, 43, 0));
  EXPECT_EQ(sorted(permutation(8, 7, 3)), (std::vector<size_t>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(Sampler, PermutationIsTheSameOnEveryMachine) {
  // Computed by another implementation: a change of the generator would break resuming.
  EXPECT_EQ(permutation(8, 42, 0), (std::vector<size_t>{4, 6, 5, 1, 2, 0, 3, 7}));
}

TEST(Sampler, PermutationIsUniform) {
  std::vector<int> first(4);
  for (uint64_t stream = 0; stream < 4000; ++stream) {
    ++first[permutation(4, 1, stream)[0]];
  }
  for (const int count : first) {
    EXPECT_NEAR(count, 1000, 110);  // four standard deviations
  }
}

TEST(Sampler, ShufflesEachEpochDifferently) {
  const Sampler sampler(std::vector<int64_t>(20, 5), {.batch_size = 20});
  EXPECT_NE(sampler.order(0), sampler.order(1));
  EXPECT_EQ(sorted(sampler.order(0)), sorted(sampler.order(1)));
}

TEST(Sampler, KeepsFileOrderWithoutShuffle) {
  const Sampler sampler({5, 5, 5}, {.batch_size = 2, .shuffle = false});
  EXPECT_EQ(sampler.batches(3), (Groups{{0, 1}, {2}}));
}

TEST(Sampler, CountsPacksWithBestFit) {
  const Sampler sampler({6, 4, 5, 5, 9},
                        {.packing = "bfd", .batch_size = 2, .max_length = 10, .shuffle = false});
  EXPECT_EQ(sampler.packs(0), (Groups{{0, 1}, {2, 3}, {4}}));
  EXPECT_EQ(sampler.batches(0), (Groups{{0, 1, 2, 3}, {4}}));
  EXPECT_DOUBLE_EQ(sampler.efficiency(0), 29.0 / 30.0);
}

TEST(Sampler, RefusesAnUnknownPacking) {
  try {
    Sampler({1}, {.packing = "tight"});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_STREQ(error.what(), "data.packing: expected none or bfd, found \"tight\"");
  }
}

TEST(Sampler, DrawsFilesByWeight) {
  const Sampler sampler(dataset_of({0, 0, 0, 0, 1, 1}, {0.5, 2.0}), {.shuffle = false});
  const std::vector<size_t> order = sampler.order(0);
  ASSERT_EQ(order.size(), 6u);
  EXPECT_LT(order[1], 4u);
  EXPECT_EQ(std::vector<size_t>(order.begin() + 2, order.end()), (std::vector<size_t>{4, 5, 4, 5}));
}

TEST(BatchPlan, EndsAccumulationWindowsWithTheEpoch) {
  const Sampler sampler(std::vector<int64_t>(5, 3),
                        {.batch_size = 1, .accumulation = 2, .shuffle = false});
  BatchPlan plan(sampler, 2.0, std::nullopt);
  EXPECT_EQ(plan.total_steps(), 6);
  EXPECT_EQ(plan.steps_per_epoch(), 3);
  EXPECT_EQ(plan.step(2).micro_batches, (Groups{{4}}));
  EXPECT_TRUE(plan.step(2).ends_epoch);
  EXPECT_EQ(plan.step(3).micro_batches, (Groups{{0}, {1}}));
  EXPECT_EQ(plan.step(3).epoch, 1);
  EXPECT_DOUBLE_EQ(plan.epochs_after(4), 4.0 / 3.0);
  EXPECT_DOUBLE_EQ(plan.epochs_after(6), 2.0);
}

TEST(BatchPlan, MaxStepsWinsOverEpochs) {
  const Sampler sampler(std::vector<int64_t>(5, 3), {.batch_size = 2});
  EXPECT_EQ(BatchPlan(sampler, 1.0, 7).total_steps(), 7);
  EXPECT_EQ(BatchPlan(sampler, 9.0, 2).total_steps(), 2);
  EXPECT_EQ(BatchPlan(sampler, 0.5, std::nullopt).total_steps(), 2);
}

TEST(BatchPlan, AnswersAnyStepWithoutTheOnesBefore) {
  const Sampler sampler(std::vector<int64_t>(50, 3), {.batch_size = 3, .accumulation = 2});
  BatchPlan straight(sampler, 3.0, std::nullopt);
  for (int64_t step = 0; step < 20; ++step) {
    straight.step(step);
  }
  BatchPlan resumed(sampler, 3.0, std::nullopt);
  EXPECT_EQ(resumed.step(20).micro_batches, straight.step(20).micro_batches);
}

}  // namespace
}  // namespace peft
