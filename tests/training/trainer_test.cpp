#include "peft/training/trainer.h"

#include <limits>

#include "peft/config/adapter_config.h"
#include "peft/methods/registry.h"
#include "support/fixtures.h"

namespace peft {
namespace {

std::vector<Example> examples() {
  std::vector<Example> rows;
  for (int32_t i = 0; i < 8; ++i) {
    std::vector<int32_t> ids;
    for (int32_t j = 0; j < 4 + i; ++j) {
      ids.push_back((7 * i + 3 * j) % 64);
    }
    Example row;
    row.ids = std::move(ids);
    row.labels = row.ids;
    rows.push_back(row);
  }
  return rows;
}

/// Trains LoRA with dropout on the tiny Llama; gives the trained tensors.
NamedTensors trained(int64_t batch_size, int64_t accumulation, double dropout) {
  const auto model = fixture_model("llama");
  const auto adapter = attach_adapter(*model,
                                      complete_adapter_config({{"peft_type", "LORA"},
                                                               {"r", 4},
                                                               {"lora_dropout", dropout},
                                                               {"target_modules", "all-linear"}}),
                                      /*seed=*/3);
  const std::vector<Example> rows = examples();
  std::vector<int64_t> lengths;
  for (const Example& row : rows) {
    lengths.push_back(static_cast<int64_t>(row.ids.size()));
  }
  TrainOptions options;
  options.max_steps = 2;
  options.batch_size = batch_size;
  options.accumulation = accumulation;
  options.schedule = {.type = "constant", .peak = 0.01};
  options.optimizer.type = "sgd";
  const Sampler sampler(lengths, {.batch_size = batch_size, .accumulation = accumulation});
  BatchPlan plan(sampler, 1.0, options.max_steps);
  train(*model, *adapter, rows, {}, plan, options, at::kCPU, {});
  NamedTensors result;
  for (const auto& [name, tensor] : adapter->trainable()) {
    result.emplace_back(name, tensor.detach().clone());
  }
  return result;
}

TEST(Trainer, RepeatsItselfBitForBit) {
  const NamedTensors first = trained(2, 2, 0.1);
  const NamedTensors second = trained(2, 2, 0.1);
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_TRUE(at::equal(first[i].second, second[i].second)) << first[i].first;
  }
}

TEST(Trainer, DrawsTheSameDropoutHoweverAStepIsSplit) {
  const NamedTensors whole = trained(4, 1, 0.3);
  const NamedTensors split = trained(2, 2, 0.3);
  for (size_t i = 0; i < whole.size(); ++i) {
    EXPECT_TRUE(at::allclose(whole[i].second, split[i].second, /*rtol=*/1e-5, /*atol=*/1e-6))
        << whole[i].first;
  }
}

TEST(Trainer, EndsAfterThreeStepsThatAreNotFinite) {
  const auto model = fixture_model("llama");
  {
    const at::NoGradGuard no_grad;
    model->parameters().front().fill_(std::numeric_limits<float>::quiet_NaN());
  }
  const auto adapter = attach_adapter(
      *model, complete_adapter_config({{"peft_type", "LORA"}, {"target_modules", {"q_proj"}}}), 0);
  const std::vector<Example> rows = examples();
  const Sampler sampler(std::vector<int64_t>(rows.size(), 4), {.batch_size = 1});
  BatchPlan plan(sampler, 1.0, std::nullopt);
  EXPECT_THROW(train(*model, *adapter, rows, {}, plan, {}, at::kCPU, {}), NumericError);
  for (const auto& [name, tensor] : adapter->trainable()) {
    EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
  }
}

}  // namespace
}  // namespace peft
