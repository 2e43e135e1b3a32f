// Every method against its reference: stored adapters, their logits and merged weights, the
// gradient of one step, five optimizer steps, and AdaLoRA's whole schedule
// (scripts/fixtures/methods.py says what the files hold).
#include <algorithm>
#include <fstream>

#include "peft/methods/adapter_io.h"
#include "peft/methods/registry.h"
#include "peft/training/trainer.h"
#include "support/fixtures.h"

namespace peft {
namespace {

using TensorMap = std::map<std::string, Tensor>;

/// Folders below fixtures/methods and, of classifiers, fixtures/classifiers/MODEL.
std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const char* root : {"methods", "classifiers"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(fixture(root))) {
      if (entry.path().filename() == "training.json") {
        const auto folder = entry.path().parent_path();
        names.push_back(folder.lexically_relative(fixture("")).string());
      }
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// The rows beside the cases, or beside the models of the cases.
std::vector<Example> rows_for(const std::filesystem::path& folder) {
  std::filesystem::path file = folder.parent_path() / "rows.jsonl";
  if (!std::filesystem::exists(file)) {
    file = folder.parent_path().parent_path() / "rows.jsonl";
  }
  std::vector<Example> examples;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    const Json row = Json::parse(line);
    Example example;
    example.ids = row.at("input_ids").get<std::vector<int32_t>>();
    example.labels = row.value("labels", std::vector<int32_t>(example.ids.size(), kIgnored));
    example.label = row.value("label", -1);
    example.score = row.value("score", 0.0F);
    example.second_type = row.value("second_type", 0);
    examples.push_back(example);
  }
  return examples;
}

/// Tensors whose name starts with `prefix`, without it.
TensorMap under(const TensorMap& all, const std::string& prefix) {
  TensorMap found;
  for (const auto& [name, tensor] : all) {
    if (name.starts_with(prefix)) {
      found.emplace(name.substr(prefix.size()), tensor);
    }
  }
  return found;
}

class MethodReference : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    model_ = case_model();
    adapter_ = load_adapter(*model_, read_adapter(folder_));
    use_stored_encoder();
  }

  /// Trains the encoder that the fixture holds beside the adapter, if it does.
  void use_stored_encoder() {
    const TensorMap encoder = under(expected_, "encoder.");
    if (encoder.empty()) {
      return;
    }
    adapter_.reset();
    adapter_ = attach_adapter(*model_, read_adapter(folder_).config, /*seed=*/0);
    const at::NoGradGuard no_grad;
    for (auto [name, tensor] : adapter_->trainable()) {
      tensor.copy_(encoder.at(name.substr(name.find('.') + 1)));
    }
  }

  std::unique_ptr<CausalLM> case_model() const {
    const std::string group = GetParam().substr(0, GetParam().rfind('/'));
    return fixture_model(group == "methods" ? case_.at("model").get<std::string>() : group);
  }

  std::vector<StepRecord> run(const TrainOptions& options) {
    std::vector<int64_t> lengths;
    for (const Example& example : rows_) {
      lengths.push_back(static_cast<int64_t>(example.ids.size()));
    }
    const Sampler sampler(
        lengths,
        {.batch_size = options.batch_size, .accumulation = options.accumulation, .shuffle = false});
    BatchPlan plan(sampler, /*epochs=*/1.0, options.max_steps);
    std::vector<StepRecord> records;
    train(*model_, *adapter_, rows_, {}, plan, options, at::kCPU,
          {[&](const StepRecord& record) { records.push_back(record); }, {}});
    return records;
  }

  TrainOptions recipe(int64_t steps) const {
    TrainOptions options;
    options.max_steps = steps;
    options.batch_size = case_.at("per_device_train_batch_size");
    options.accumulation = case_.at("gradient_accumulation_steps");
    options.optimizer.weight_decay = case_.at("weight_decay");
    options.optimizer.loraplus_ratio = case_.value("loraplus_lr_ratio", 0.0);
    options.schedule.type = "linear";
    options.schedule.peak = case_.at("learning_rate");
    options.optimizer.loraplus_embedding_share =
        case_.value("loraplus_lr_embedding", 0.0) / options.schedule.peak;
    options.warmup_steps = case_.at("warmup_steps");
    options.max_grad_norm = case_.at("max_grad_norm");
    return options;
  }

  void expect_steps(const std::vector<StepRecord>& records, const Json& steps) {
    ASSERT_EQ(records.size(), steps.size());
    for (size_t i = 0; i < steps.size(); ++i) {
      SCOPED_TRACE(i + 1);
      const Json& step = steps.at(i);
      EXPECT_EQ(records[i].scored_tokens, step.at("scored_tokens").get<int64_t>());
      for (const auto& [key, value] :
           {std::pair("loss", records[i].loss), std::pair("grad_norm", records[i].grad_norm),
            std::pair("penalty", records[i].penalty)}) {
        if (step.contains(key)) {
          EXPECT_NEAR(value, step.at(key), 1e-4 * step.at(key).get<double>()) << key;
        }
      }
      EXPECT_NEAR(records[i].learning_rate, step.at("learning_rate"), 1e-9);
    }
  }

  /// What the adapter's file would hold, the encoder, and a start taken from the host unconverted.
  TensorMap tensors() const {
    TensorMap all;
    for (const auto& [name, tensor] : adapter_->trainable()) {
      all.emplace("encoder." + name.substr(name.find('.') + 1), tensor.detach().clone());
      all.emplace("base_model.model." + name, tensor.detach().clone());
    }
    for (const auto& [name, tensor] : adapter_->exported()) {
      if (!is_converted_) {
        all[name] = tensor.detach().clone();
      }
    }
    return all;
  }

  /// The fixture has the first rows of large tensors, and its own name for a bottleneck's adapter.
  /// A number is a sum of others of its tensor's size, and float32 rounds each of them.
  void expect_tensors(const TensorMap& actual, const TensorMap& wanted, double rtol, double atol) {
    ASSERT_FALSE(wanted.empty());
    for (const auto& [name, tensor] : wanted) {
      std::string own = name;
      if (const size_t at = own.find(".adapters.tiny."); at != std::string::npos) {
        own.replace(at, 15, ".adapters.default.");
      }
      ASSERT_TRUE(actual.count(own) > 0) << own;
      const Tensor part =
          tensor.dim() == 0 ? actual.at(own) : actual.at(own).narrow(0, 0, tensor.size(0));
      ASSERT_EQ(part.sizes(), tensor.sizes()) << own;
      const double rounding = tensor.numel() > 0 ? 1e-5 * tensor.abs().max().item<double>() : 0.0;
      EXPECT_TRUE(at::allclose(part, tensor, rtol, std::max(atol, rounding)))
          << own << ": " << (part - tensor).abs().max().item<double>();
    }
  }

  std::filesystem::path folder_ = fixture(GetParam());
  Json case_ = read_json<DataError>(folder_ / "training.json");
  TensorMap expected_ = read_tensors(folder_ / "expected.safetensors");
  bool is_converted_ = !under(expected_, "converted.").empty();
  std::vector<Example> rows_ = rows_for(folder_);
  std::unique_ptr<CausalLM> model_;
  std::unique_ptr<Adapter> adapter_;
};

TEST_P(MethodReference, GivesTheLogits) {
  const at::NoGradGuard no_grad;
  const Json& types = case_.value("second_types", Json());
  for (size_t k = 0; k < case_.at("ids").size(); ++k) {
    const std::string name = "logits." + std::to_string(k);
    if (expected_.count(name) == 0) {
      continue;
    }
    Example row;
    row.ids = case_.at("ids").at(k).get<std::vector<int32_t>>();
    row.second_type = types.is_array() && types.at(k).is_number() ? types.at(k).get<int64_t>() : 0;
    const std::vector<const Example*> rows = {&row};
    expect_same_logits(model_->logits(make_batch(rows)),
                       expected_.at(name).view({-1, expected_.at(name).size(-1)}));
  }
}

TEST_P(MethodReference, TakesTheGradient) {
  const TensorMap before = tensors();
  TrainOptions options;
  options.max_steps = 1;
  options.batch_size = case_.at("per_device_train_batch_size");
  options.accumulation = case_.at("gradient_accumulation_steps");
  options.optimizer.type = "sgd";
  options.schedule = {.type = "constant", .peak = 1.0};
  run(options);
  TensorMap gradients;
  for (const auto& [name, tensor] : tensors()) {
    gradients[name] = before.at(name) - tensor;
  }
  expect_tensors(gradients, under(expected_, "gradient."), /*rtol=*/1e-4, /*atol=*/2e-6);
}

TEST_P(MethodReference, MakesTheOptimizerSteps) {
  if (!case_.contains("steps")) {
    GTEST_SKIP() << "one gradient is enough for this case";
  }
  expect_steps(run(recipe(5)), case_.at("steps"));
  // Adam divides by a small root of the second moment: the first digits of tiny gradients count.
  expect_tensors(tensors(), under(expected_, "trained."), /*rtol=*/1e-3, /*atol=*/1e-5);
}

TEST_P(MethodReference, MergesToTheWeights) {
  TensorMap wanted = under(expected_, "merged.");
  if (model_->is_tied()) {
    // PEFT writes into the memory that embedding and head share; we give the head its own.
    wanted.erase("lm_head.weight");
  }
  if (wanted.empty()) {
    EXPECT_FALSE(adapter_->merge_obstacle().empty());
    EXPECT_THROW(adapter_->merge(), UsageError);
    return;
  }
  adapter_->merge();
  TensorMap actual;
  for (const auto& parameter : model_->named_parameters()) {
    actual.emplace(parameter.key(), parameter.value());
  }
  expect_tensors(actual, wanted, /*rtol=*/1e-5, /*atol=*/1e-6);
}

TEST_P(MethodReference, ConvertsAStartTakenFromTheHost) {
  const TensorMap wanted = under(expected_, "converted.");
  if (wanted.empty()) {
    GTEST_SKIP() << "starts without the host";
  }
  TensorMap actual;
  for (const auto& [name, tensor] : adapter_->exported()) {
    actual.emplace(name, tensor);
  }
  for (const auto& [name, tensor] : wanted) {
    if (name.ends_with("lora_A.weight")) {
      const std::string b = name.substr(0, name.size() - 13) + "lora_B.weight";
      // Singular vectors have arbitrary signs; the products do not.
      const Tensor product = at::mm(actual.at(b), actual.at(name));
      EXPECT_TRUE(at::allclose(product.narrow(0, 0, 4),
                               at::mm(wanted.at(b).narrow(0, 0, 4), tensor), 1e-4, 1e-5));
    }
  }
}

TEST_P(MethodReference, FollowsTheWholeScheduleOfRanks) {
  if (!case_.contains("schedule")) {
    GTEST_SKIP() << "has no schedule of its own";
  }
  const Json& schedule = case_.at("schedule");
  expect_steps(run(recipe(static_cast<int64_t>(schedule.size()))), schedule);
  EXPECT_EQ(adapter_->config().at("rank_pattern"),
            read_json<DataError>(folder_ / "pruned" / "adapter_config.json").at("rank_pattern"));
  const TensorMap pruned = read_tensors(folder_ / "pruned" / "adapter_model.safetensors");
  expect_tensors(tensors(), pruned, /*rtol=*/1e-3, /*atol=*/2e-5);
  const auto model = case_model();
  const auto again = load_adapter(*model, read_adapter(folder_ / "pruned"));
  EXPECT_EQ(again->exported().size(), pruned.size());
}

INSTANTIATE_TEST_SUITE_P(Cases, MethodReference, testing::ValuesIn(case_names()),
                         [](const auto& entry) {
                           std::string name = entry.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           std::replace(name.begin(), name.end(), '/', '_');
                           return name;
                         });

}  // namespace
}  // namespace peft
