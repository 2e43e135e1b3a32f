// Five optimizer steps against Hugging Face PEFT: accumulation 2, unequal lengths, partly masked
// labels, warm-up and clipping; and one plain gradient.
#include <fstream>

#include "peft/methods/adapter_io.h"
#include "peft/training/trainer.h"
#include "support/tiny_models.h"

namespace peft {
namespace {

std::vector<Example> read_examples(const std::filesystem::path& file) {
  std::vector<Example> examples;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    const Json row = Json::parse(line);
    examples.push_back({.ids = row.at("input_ids").get<std::vector<int32_t>>(),
                        .labels = row.at("labels").get<std::vector<int32_t>>()});
  }
  return examples;
}

class FiveSteps : public testing::TestWithParam<std::string> {
 protected:
  void run(const TrainOptions& options) {
    std::vector<int64_t> lengths;
    for (const Example& example : examples_) {
      lengths.push_back(static_cast<int64_t>(example.ids.size()));
    }
    const Sampler sampler(
        lengths,
        {.batch_size = options.batch_size, .accumulation = options.accumulation, .shuffle = false});
    BatchPlan plan(sampler, /*epochs=*/1.0, options.max_steps);
    train(*model_, *adapter_, examples_, {}, plan, options, at::kCPU,
          {[&](const StepRecord& record) { records_.push_back(record); }, {}});
  }

  std::filesystem::path folder_ = fixture("models/" + GetParam() + "/lora");
  std::unique_ptr<CausalLM> model_ = fixture_model(GetParam());
  std::unique_ptr<Adapter> adapter_ = load_adapter(*model_, read_adapter(folder_));
  std::vector<Example> examples_ = read_examples(folder_ / "rows.jsonl");
  std::vector<StepRecord> records_;
};

TEST_P(FiveSteps, GiveTheReferencesLossesAndTensors) {
  const Json expected = read_json<DataError>(folder_ / "training.json");
  TrainOptions options;
  options.max_steps = 5;
  options.batch_size = 2;
  options.accumulation = 2;
  options.optimizer.weight_decay = expected.at("weight_decay");
  options.schedule.type = "linear";
  options.schedule.peak = expected.at("learning_rate");
  options.warmup_steps = expected.at("warmup_steps");
  options.max_grad_norm = expected.at("max_grad_norm");
  run(options);
  ASSERT_EQ(records_.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    SCOPED_TRACE(i);
    const Json& step = expected.at("steps").at(i);
    EXPECT_EQ(records_[i].scored_tokens, step.at("scored_tokens").get<int64_t>());
    EXPECT_NEAR(records_[i].loss, step.at("loss"), 1e-4 * step.at("loss").get<double>());
    EXPECT_NEAR(records_[i].grad_norm, step.at("grad_norm"),
                1e-4 * step.at("grad_norm").get<double>());
    EXPECT_NEAR(records_[i].learning_rate, step.at("learning_rate"), 1e-9);
  }
  const auto trained = read_tensors(folder_ / "trained.safetensors");
  for (const auto& [name, tensor] : adapter_->exported()) {
    // Adam divides by a small root of the second moment: the first digits of tiny gradients count.
    EXPECT_TRUE(at::allclose(tensor.detach(), trained.at(name), /*rtol=*/1e-3, /*atol=*/1e-5))
        << name << ": " << (tensor.detach() - trained.at(name)).abs().max().item<double>();
  }
}

TEST_P(FiveSteps, TakeTheReferencesGradient) {
  std::map<std::string, Tensor> before;
  for (const auto& [name, tensor] : adapter_->exported()) {
    before[name] = tensor.detach().clone();
  }
  TrainOptions options;
  options.max_steps = 1;
  options.batch_size = 2;
  options.accumulation = 2;
  options.optimizer.type = "sgd";
  options.schedule = {.type = "constant", .peak = 1.0};
  run(options);
  const auto gradients = read_tensors(folder_ / "gradients.safetensors");
  for (const auto& [name, tensor] : adapter_->exported()) {
    const Tensor gradient = before.at(name) - tensor.detach();
    const double scale = gradients.at(name).abs().max().item<double>();
    EXPECT_TRUE(
        at::allclose(gradient, gradients.at(name), /*rtol=*/1e-4, /*atol=*/1e-5 * scale + 1e-6))
        << name << ": " << (gradient - gradients.at(name)).abs().max().item<double>();
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, FiveSteps, testing::ValuesIn(tiny_architectures()),
                         [](const auto& entry) { return test_name(entry.param); });

}  // namespace
}  // namespace peft
