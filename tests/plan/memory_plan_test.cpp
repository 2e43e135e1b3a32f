#include "peft/plan/memory_plan.h"

#include <gtest/gtest.h>

#include "peft/plan/block_memory.h"
#include "plan/sizes.h"

namespace peft {
namespace {

class MemoryPlanTest : public testing::Test {
 protected:
  AdapterSizes adapter(const Json& section) const {
    return adapter_sizes(llama_, run_of(section).values["adapter"]);
  }

  ModelSizes llama_ = model_sizes(tiny_model("llama"));
  RunShape run_{.tokens = 10, .scored = 5};
};

TEST_F(MemoryPlanTest, CountsWhatABlockOfALlamaKeeps) {
  const BlockMemory block =
      block_memory(llama_, adapter({{"r", 2}}), run_, /*layer=*/1, /*flows=*/true);
  // Two norms' inputs and statistics, q, k, v and context with 4 heads' sums, gate and up, and
  // seven inner products of 2.
  EXPECT_EQ(block.kept, 4 * (2 * 32 + 2 + 2 * (32 + 16) + 4 + 2 * 24 + 14));
  EXPECT_TRUE(block.flows);
}

TEST_F(MemoryPlanTest, KeepsTheNormsOutputInTheLowestBlock) {
  const AdapterSizes sizes = adapter({{"r", 2}});
  const BlockMemory first = block_memory(llama_, sizes, run_, /*layer=*/0, /*flows=*/false);
  const BlockMemory second = block_memory(llama_, sizes, run_, /*layer=*/1, /*flows=*/true);
  EXPECT_EQ(first.kept, second.kept - 4);  // no statistic; the output instead of the input
}

TEST_F(MemoryPlanTest, KeepsNothingBelowTheLowestTarget) {
  const AdapterSizes sizes =
      adapter({{"r", 2}, {"target_modules", {"q_proj", "v_proj"}}, {"layers_to_transform", {1}}});
  const BlockMemory block = block_memory(llama_, sizes, run_, /*layer=*/0, /*flows=*/false);
  EXPECT_EQ(block.kept, 0);
  EXPECT_FALSE(block.flows);
}

TEST_F(MemoryPlanTest, KeepsAnInputForEachTargetWhenInputsAreDropped) {
  const BlockMemory plain = block_memory(llama_, adapter({{"r", 2}}), run_, 1, true);
  const BlockMemory dropped =
      block_memory(llama_, adapter({{"r", 2}, {"lora_dropout", 0.1}}), run_, 1, true);
  EXPECT_EQ(dropped.kept - plain.kept, 4 * (3 * 32 + 32 + 2 * 32 + 24));
}

TEST_F(MemoryPlanTest, AddsUpItsParts) {
  const MemoryPlan plan = plan_memory(llama_, adapter({{"r", 2}}), run_);
  EXPECT_EQ(plan.weights, 4 * llama_.parameters);
  EXPECT_EQ(plan.optimizer, 2 * plan.adapter);
  EXPECT_EQ(plan.gradients, plan.adapter);
  const Json parts = memory_json(plan);
  int64_t sum = 0;
  for (const auto& [name, bytes] : parts.items()) {
    sum += bytes.get<int64_t>();
  }
  EXPECT_EQ(plan.total(), sum);
}

TEST_F(MemoryPlanTest, HasNoMomentsForPlainGradientDescent) {
  run_.optimizer = "sgd";
  EXPECT_EQ(plan_memory(llama_, adapter({{"r", 2}}), run_).optimizer, 0);
}

TEST_F(MemoryPlanTest, GrowsWithTheTokensOfABatch) {
  const AdapterSizes sizes = adapter({{"r", 2}});
  const int64_t small = plan_memory(llama_, sizes, run_).activations;
  run_.tokens = 20;
  EXPECT_EQ(plan_memory(llama_, sizes, run_).activations, 2 * small);
}

TEST_F(MemoryPlanTest, KeepsOneBlockWholeWhenBlocksAreRunAgain) {
  const AdapterSizes sizes = adapter({{"r", 2}});
  const int64_t plain = plan_memory(llama_, sizes, run_).activations;
  const int64_t kept = 10 * block_memory(llama_, sizes, run_, 1, true).kept;
  run_.checkpointing = true;
  // Instead of both blocks (the first keeps 4 bytes a token less): two inputs and the wider block.
  EXPECT_EQ(plan_memory(llama_, sizes, run_).activations,
            plain - 2 * kept + 10 * 4 + 2 * 10 * 4 * 32 + kept);
}

}  // namespace
}  // namespace peft
