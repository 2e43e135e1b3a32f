// Bugs that give wrong results in silence, planted one by one: what a run shows of each, and that a
// right run does not.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "peft/evaluation/generator.h"
#include "peft/training/micro_batch.h"
#include "training/tiny_run.h"

namespace peft {
namespace {

constexpr int32_t kStop = 2;

/// Learns one row by heart: 5 9 12 7 and the stop token. `spoil` plants a bug in its labels. Gives
/// what the model then says behind 5.
Generated learned_by_heart(const std::function<void(Example&)>& spoil) {
  const TemporaryDirectory folder;
  TinyRun run;
  run.folder = folder.path() / "run";
  run.adapter = {{"peft_type", "FULL"}};
  Example row;
  row.ids = {5, 9, 12, 7, kStop};
  row.labels = row.ids;
  spoil(row);
  run.rows = {row};
  run.order = {.batch_size = 1};
  run.options.max_steps = 40;
  run.options.schedule = {.type = "constant", .peak = 0.01};
  Generated said;
  CausalLM* const model = run.model.get();
  run.on_step = [&said, model](const StepRecord& record) {
    if (record.step == 40) {
      said = generate(*model, {{5}}, {.max_new_tokens = 8, .stop_ids = {kStop}}, at::kCPU).front();
    }
  };
  run.run();
  return said;
}

TEST(LearnedByHeart, ARowIsSaidAndEndsByItself) {
  const Generated said = learned_by_heart([](Example&) {});
  EXPECT_EQ(said.ids, (std::vector<int32_t>{9, 12, 7}));
  EXPECT_EQ(said.stop, "eos");
}

TEST(LearnedByHeart, AStopTokenMaskedByItsIdIsNeverSaid) {
  const Generated said = learned_by_heart([](Example& row) {
    std::vector<int32_t> labels = row.labels.vector();
    std::replace(labels.begin(), labels.end(), kStop, kIgnored);  // as pad = EOS does
    row.labels = std::move(labels);
  });
  EXPECT_EQ(said.stop, "length");
}

TEST(LearnedByHeart, LabelsThatAreShiftedTwiceTeachSomethingElse) {
  const Generated said = learned_by_heart([](Example& row) {
    std::vector<int32_t> labels = row.labels.vector();
    labels.erase(labels.begin());
    labels.push_back(kIgnored);
    row.labels = std::move(labels);
  });
  EXPECT_NE(said.ids, (std::vector<int32_t>{9, 12, 7}));
}

/// Learning rates of a run of 12 steps with a warm-up of 3.
std::vector<double> logged_rates(int64_t accumulation) {
  const TemporaryDirectory folder;
  TinyRun run;
  run.folder = folder.path() / "run";
  run.options.warmup_steps = 3;
  run.order = {.batch_size = 2, .accumulation = accumulation};
  std::vector<double> rates;
  run.on_step = [&rates](const StepRecord& record) { rates.push_back(record.learning_rate); };
  run.run();
  return rates;
}

TEST(Schedule, IsTheClosedFormOfTheStepWhateverTheAccumulation) {
  const std::vector<double> rates = logged_rates(/*accumulation=*/4);
  EXPECT_EQ(logged_rates(/*accumulation=*/1), rates);  // counting micro-batches would move it
  ASSERT_EQ(rates.size(), 12u);
  for (size_t step = 0; step < 12; ++step) {
    const double t = static_cast<double>(step);
    const double expected =
        step < 3 ? 0.01 * t / 3.0
                 : 0.01 * (0.5 * (1.0 + std::cos(std::numbers::pi * ((t - 3.0) / 9.0))));
    EXPECT_EQ(rates[step], expected) << step;
  }
}

TEST(Dropout, IsInTrainingAndNotInEvaluation) {
  const auto model = fixture_model("llama");
  const auto adapter = attach_adapter(*model,
                                      complete_adapter_config({{"peft_type", "LORA"},
                                                               {"r", 4},
                                                               {"lora_dropout", 0.5},
                                                               {"init_lora_weights", false},
                                                               {"target_modules", "all-linear"}}),
                                      /*seed=*/3);
  const std::vector<Example> rows = TinyRun::counting_rows();
  const auto loss_of_step = [&](int64_t step) {
    const at::NoGradGuard no_grad;
    const Batch batch = micro_batch(rows, std::vector<size_t>{0, 1}, 42, step, 0);
    adapter->begin_batch(batch.dropout_keys);
    return model->loss(batch).sum.item<double>();
  };
  adapter->train(false);
  EXPECT_EQ(loss_of_step(1), loss_of_step(2));
  adapter->train(true);  // the planted bug: an evaluation in this state
  EXPECT_NE(loss_of_step(1), loss_of_step(2));
}

TEST(Precision, WhatTrainsIsFloat32OnA16BitBase) {
  const auto model =
      load_model(HfDirectory(fixture("models/llama-bfloat16")), at::kBFloat16, at::kCPU);
  for (const char* type :
       {"LORA", "IA3", "HOULSBY", "PREFIX_TUNING", "LN_TUNING", "VERA", "FULL"}) {
    Json config = {{"peft_type", type}};
    if (type == std::string("LORA")) {
      config["r"] = 2;
    }
    const auto adapter = attach_adapter(*model, complete_adapter_config(config), /*seed=*/3);
    for (const auto& [name, tensor] : adapter->trainable()) {
      EXPECT_EQ(tensor.scalar_type(), at::kFloat) << name;
    }
  }
}

TEST(Retention, KeepsTheBestWhateverItsAge) {
  const TemporaryDirectory folder;
  TinyRun run;
  run.folder = folder.path() / "run";
  run.held_out = {run.rows[0]};
  run.options.eval_steps = 1;
  CausalLM* const model = run.model.get();
  run.on_step = [model](const StepRecord& record) {
    if (record.step > 3) {  // from here on it only gets worse
      const at::NoGradGuard no_grad;
      model->head().weight().mul_(1.5);
    }
  };
  run.keep = {.save_steps = 1, .total_limit = 2};
  run.run();
  const int64_t best = run.summary.selection.best_step;
  ASSERT_LE(best, 3);
  std::vector<int64_t> kept;
  for (const CheckpointFolder& checkpoint : list_checkpoints(run.folder)) {
    kept.push_back(checkpoint.step);
  }
  EXPECT_EQ(kept, (std::vector<int64_t>{12, 11, best}));
}

TEST(Retention, KeepsAsManyAsAskedForAndAllForZero) {
  for (const int64_t limit : {int64_t{0}, int64_t{4}}) {
    const TemporaryDirectory folder;
    TinyRun run;
    run.folder = folder.path() / "run";
    run.keep = {.save_steps = 2, .total_limit = limit};
    run.run();
    EXPECT_EQ(list_checkpoints(run.folder).size(), limit == 0 ? 6u : 4u);
  }
}

}  // namespace
}  // namespace peft
