#include "peft/plan/run_plan.h"

#include <gtest/gtest.h>

#include "plan/sizes.h"

namespace peft {
namespace {

/// Rows of the given lengths; the first half of each is not scored.
Dataset rows_of(const std::vector<int64_t>& lengths) {
  Dataset dataset;
  for (const int64_t length : lengths) {
    std::vector<int32_t> ids;
    std::vector<int32_t> labels;
    for (int64_t i = 0; i < length; ++i) {
      ids.push_back(static_cast<int32_t>(i));
      labels.push_back(i < length / 2 ? kIgnored : static_cast<int32_t>(i));
    }
    Example example;
    example.ids = std::move(ids);
    example.labels = std::move(labels);
    dataset.examples.push_back(example);
  }
  return dataset;
}

class RunPlanTest : public testing::Test {
 protected:
  RunPlan plan(const Json& training, int64_t available = 0, const Json& data = Json::object()) {
    config_ = run_of({{"r", 2}}, training, data);
    return plan_run(config_.values, config_.origin,
                    {directory_, rows_, held_out_, /*on_gpu=*/false, available});
  }

  HfDirectory directory_ = tiny_model("llama");
  Dataset rows_ = rows_of({10, 20, 30, 40, 8});
  std::vector<Example> held_out_;
  ResolvedConfig config_;
};

TEST_F(RunPlanTest, WalksEveryStep) {
  const RunPlan run = plan({{"per_device_train_batch_size", 2},
                            {"gradient_accumulation_steps", 1},
                            {"num_train_epochs", 2}},
                           0, {{"shuffle", false}});
  EXPECT_EQ(run.steps, 6);
  EXPECT_EQ(run.steps_per_epoch, 3);
  EXPECT_EQ(run.tokens, 2 * 108);
  EXPECT_EQ(run.scored_tokens, 2 * 54);
  EXPECT_EQ(run.shape.tokens, 70);
  EXPECT_EQ(run.shape.scored, 35);
  EXPECT_TRUE(run.fits());
}

TEST_F(RunPlanTest, SettlesAnAutomaticBatch) {
  const RunPlan run = plan(Json::object());
  EXPECT_EQ(run.batch.batch_size, 5);
  EXPECT_EQ(run.batch.accumulation, 4);
  EXPECT_EQ(config_.values["training"]["per_device_train_batch_size"], 5);
  EXPECT_EQ(config_.origin["training.per_device_train_batch_size"],
            "auto: rows of up to 40 tokens, at most 4096 tokens");
}

TEST_F(RunPlanTest, HalvesAnAutomaticBatchUntilItFits) {
  const Json in_order = {{"shuffle", false}};
  const Json two = {{"per_device_train_batch_size", 2}};
  // Before the order of rows is known every token counts as scored.
  const int64_t two_rows = plan(two, 0, in_order).memory.total() + 25'000;
  const RunPlan run = plan(Json::object(), two_rows, in_order);
  EXPECT_EQ(run.batch.batch_size, 2);
  EXPECT_EQ(config_.origin["training.per_device_train_batch_size"], "auto: what fits into memory");
  EXPECT_TRUE(run.fits());
}

TEST_F(RunPlanTest, NamesTheChangeThatMakesARunFit) {
  const Json settings = {{"per_device_train_batch_size", 4}, {"gradient_checkpointing", false}};
  const int64_t four = plan(settings).memory.total();
  const RunPlan run = plan(settings, four - 1000);
  EXPECT_FALSE(run.fits());
  ASSERT_FALSE(run.remedies.empty());
  EXPECT_EQ(run.remedies[0].key, "training.per_device_train_batch_size");
  EXPECT_EQ(run.remedies[0].value, 2);
  EXPECT_NE(plan_line(run).find("does not fit; fits with training.per_device_train_batch_size=2 ("),
            std::string::npos)
      << plan_line(run);
}

TEST_F(RunPlanTest, SaysThatNothingAloneHelps) {
  const RunPlan run = plan(Json::object(), 1000);
  EXPECT_EQ(run.batch.batch_size, 1);
  EXPECT_TRUE(run.remedies.empty());
  EXPECT_NE(plan_line(run).find("no single setting makes it fit"), std::string::npos);
}

TEST_F(RunPlanTest, PrintsWhatTheInterfacePromises) {
  const Json json = plan_json(plan({{"max_steps", 1}}));
  for (const char* name : {"total_bytes", "available_bytes", "fits", "trainable_parameters",
                           "steps", "tokens", "memory", "disk_bytes"}) {
    EXPECT_TRUE(json.contains(name)) << name;
  }
  EXPECT_EQ(json["available_bytes"], nullptr);
  EXPECT_EQ(json["steps"], 1);
}

TEST_F(RunPlanTest, RefusesAGlobalBatchThatIsNoMultiple) {
  EXPECT_THROW(plan({{"per_device_train_batch_size", 4}, {"global_batch_size", 6}}), UsageError);
}

}  // namespace
}  // namespace peft
