// What every method promises, on every architecture. A new method joins by its line in kMethods.
#include <set>

#include "peft/config/adapter_config.h"
#include "peft/evaluation/generator.h"
#include "peft/methods/adapter_io.h"
#include "peft/methods/host_parts.h"
#include "peft/methods/registry.h"
#include "peft/training/optimizer.h"
#include "support/tiny_models.h"

namespace peft {
namespace {

/// How near an untrained adapter leaves the host's logits.
enum class Start { kExact, kRounding, kElsewhere };

/// A method as this suite attaches it: its smallest adapter_config.json.
struct MethodCase {
  const char* name;  // its PEFT type, with what makes a variant of it behind
  const char* config;
  Start start;
};

const MethodCase kMethods[] = {
    {"LORA", R"({"peft_type": "LORA", "r": 4, "target_modules": "all-linear"})", Start::kExact},
    {"LORA_dropout",
     R"({"peft_type": "LORA", "r": 4, "lora_dropout": 0.2, "target_modules": "all-linear"})",
     Start::kExact},
    {"LORA_dora",
     R"({"peft_type": "LORA", "r": 4, "use_dora": true, "target_modules": "all-linear"})",
     Start::kRounding},
    {"LORA_pissa",
     R"({"peft_type": "LORA", "r": 4, "init_lora_weights": "pissa", "target_modules": "all-linear"})",
     Start::kRounding},
    {"LORA_olora",
     R"({"peft_type": "LORA", "r": 4, "init_lora_weights": "olora", "target_modules": "all-linear"})",
     Start::kRounding},
    {"LORA_head", R"({"peft_type": "LORA", "r": 4, "target_modules": ["lm_head"]})", Start::kExact},
    {"LORA_tokens",
     R"({"peft_type": "LORA", "r": 4, "target_modules": "all-linear", "trainable_token_indices": [3, 9, 7]})",
     Start::kRounding},
    {"ADALORA",
     R"({"peft_type": "ADALORA", "init_r": 4, "target_r": 2, "total_step": 10, "target_modules": "all-linear"})",
     Start::kExact},
    {"IA3", R"({"peft_type": "IA3"})", Start::kExact},
    {"HOULSBY", R"({"peft_type": "HOULSBY", "reduction_factor": 4})", Start::kElsewhere},
    {"PFEIFFER", R"({"peft_type": "PFEIFFER", "reduction_factor": 4})", Start::kElsewhere},
    {"PARALLEL", R"({"peft_type": "PARALLEL", "reduction_factor": 4})", Start::kExact},
    {"PROMPT_TUNING", R"({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 3})",
     Start::kElsewhere},
    {"P_TUNING", R"({"peft_type": "P_TUNING", "num_virtual_tokens": 3})", Start::kElsewhere},
    {"P_TUNING_lstm",
     R"({"peft_type": "P_TUNING", "num_virtual_tokens": 3, "encoder_reparameterization_type": "LSTM"})",
     Start::kElsewhere},
    {"PREFIX_TUNING", R"({"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 3})",
     Start::kElsewhere},
    {"PREFIX_TUNING_projected",
     R"({"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 3, "prefix_projection": true})",
     Start::kElsewhere},
    {"ADAPTION_PROMPT",
     R"({"peft_type": "ADAPTION_PROMPT", "adapter_len": 3, "adapter_layers": 1})", Start::kExact},
    {"LN_TUNING", R"({"peft_type": "LN_TUNING"})", Start::kExact},
    {"BITFIT", R"({"peft_type": "BITFIT"})", Start::kExact},
    {"FULL", R"({"peft_type": "FULL"})", Start::kExact},
    {"VERA", R"({"peft_type": "VERA", "r": 8})", Start::kExact},
    {"OFT", R"({"peft_type": "OFT", "oft_block_size": 4})", Start::kRounding},
};

class EveryMethod : public testing::TestWithParam<std::tuple<MethodCase, std::string>> {
 protected:
  const MethodCase& method() const { return std::get<0>(GetParam()); }

  void SetUp() override {
    if (classifies() && method().name == std::string("LORA_head")) {
      EXPECT_THROW(attach(), UsageError);
      GTEST_SKIP() << "a classifier's head trains whole";
    }
    if (classifies()) {
      long_.label = 1;
      short_.label = 2;
    }
    if (method().name == std::string("BITFIT") &&
        parameters_ending_with(*model_, ".bias").empty()) {
      EXPECT_THROW(attach(), UsageError);
      GTEST_SKIP() << std::get<1>(GetParam()) << " has no biases";
    }
  }

  std::unique_ptr<Adapter> attach() {
    Json config = complete_adapter_config(Json::parse(method().config));
    if (classifies()) {
      config["task_type"] = "SEQ_CLS";
    }
    return attach_adapter(*model_, config, /*seed=*/1);
  }

  bool classifies() const { return model_->shape().classes() > 0; }

  /// Moves every trained tensor: zero-initialised ones would hide faults.
  static void disturb(const Adapter& adapter) {
    const at::NoGradGuard no_grad;
    uint64_t seed = 9;
    for (auto [name, tensor] : adapter.trainable()) {
      tensor.add_(at::randn(tensor.sizes(), tensor_generator(++seed, name)) * 0.1);
    }
  }

  Tensor logits() const { return logits_of(*model_, ids_); }

  static std::set<const void*> tensors_of(const Adapter& adapter) {
    std::set<const void*> tensors;
    for (const auto& [name, tensor] : adapter.trainable()) {
      tensors.insert(tensor.unsafeGetTensorImpl());
    }
    return tensors;
  }

  /// The loss of one micro-batch in training, dropout included.
  Tensor step_loss(Adapter& adapter) const {
    const Batch rows = batch();
    adapter.begin_batch(at::arange(rows.tokens(), at::kLong));
    return model_->loss(rows).sum;
  }

  std::vector<Tensor> host_values() const {
    std::vector<Tensor> values;
    for (const Tensor& parameter : model_->parameters()) {
      values.push_back(parameter.detach().clone());
    }
    return values;
  }

  Batch batch() const {
    const std::vector<const Example*> rows = {&long_, &short_};
    return make_batch(rows);
  }

  std::unique_ptr<CausalLM> model_ = fixture_model(std::get<1>(GetParam()));
  std::vector<int32_t> ids_ = {3, 14, 15, 9, 2, 6, 5, 35};
  Example long_{.ids = {3, 14, 15, 9, 2, 6}, .labels = {3, kIgnored, 15, 9, 2, 6}};
  Example short_{.ids = {8, 7, 1}, .labels = {kIgnored, 7, 1}};
};

TEST_P(EveryMethod, LeavesTheHostAsItIsAtTheStart) {
  const Tensor before = logits();
  const auto adapter = attach();
  if (method().start == Start::kElsewhere) {
    GTEST_SKIP() << method().name << " does not promise identity at step 0";
  }
  if (method().start == Start::kExact) {
    EXPECT_TRUE(at::equal(logits(), before));
  } else {
    EXPECT_TRUE(at::allclose(logits(), before, /*rtol=*/1e-5, /*atol=*/1e-5));
  }
}

TEST_P(EveryMethod, GivesGradientsToItsOwnTensorsAlone) {
  const auto adapter = attach();
  disturb(*adapter);
  for (auto [name, tensor] : adapter->trainable()) {
    tensor.set_requires_grad(true);
  }
  model_->loss(batch()).sum.backward();
  for (const auto& [name, tensor] : adapter->trainable()) {
    ASSERT_TRUE(tensor.grad().defined()) << name;
    EXPECT_GT(tensor.grad().abs().max().item<double>(), 0.0) << name;
  }
  const auto trained = tensors_of(*adapter);
  for (const auto& parameter : model_->named_parameters()) {
    const bool own = trained.count(parameter.value().unsafeGetTensorImpl()) > 0;
    EXPECT_TRUE(own || !parameter.value().grad().defined()) << parameter.key();
  }
}

TEST_P(EveryMethod, LeavesTheHostsWeightsUnchangedByTraining) {
  const std::vector<Tensor> before = host_values();
  {
    const auto adapter = attach();
    adapter->before_training(/*total_steps=*/10);
    adapter->train(true);
    Optimizer optimizer(adapter->trainable(), {});
    for (int step = 0; step < 3; ++step) {
      optimizer.zero_gradients();
      step_loss(*adapter).backward();
      adapter->end_batch();
      optimizer.step(/*learning_rate=*/0.01);
      adapter->after_step(step + 1);
    }
    const auto trained = tensors_of(*adapter);
    size_t i = 0;
    for (const auto& parameter : model_->named_parameters()) {
      const Tensor& was = before[i++];
      if (trained.count(parameter.value().unsafeGetTensorImpl()) == 0) {
        EXPECT_TRUE(at::equal(was, parameter.value())) << parameter.key();
      }
    }
  }
  const std::vector<Tensor> after = host_values();
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(at::equal(before[i], after[i]));
  }
}

TEST_P(EveryMethod, MergesToTheSameOutputOrRefuses) {
  const auto adapter = attach();
  disturb(*adapter);
  const Tensor adapted = logits();
  if (!adapter->merge_obstacle().empty()) {
    EXPECT_THROW(adapter->merge(), UsageError);
    EXPECT_TRUE(at::equal(logits(), adapted));
    return;
  }
  adapter->merge();
  expect_same_logits(logits(), adapted);
}

TEST_P(EveryMethod, GivesTheSameGradientsWithCheckpointedActivations) {
  const auto adapter = attach();
  disturb(*adapter);
  adapter->train(true);
  Optimizer optimizer(adapter->trainable(), {.type = "sgd"});
  const auto gradients = [&](bool checkpointed) {
    model_->checkpoint_activations(checkpointed);
    optimizer.zero_gradients();
    step_loss(*adapter).backward();
    adapter->end_batch();
    return optimizer.gradients().clone();
  };
  const Tensor plain = gradients(false);
  EXPECT_GT(plain.abs().max().item<double>(), 0.0);
  EXPECT_TRUE(at::allclose(gradients(true), plain, /*rtol=*/1e-5, /*atol=*/1e-7));
}

TEST_P(EveryMethod, LeavesTheHostToOthersWhileSuspended) {
  const Tensor before = logits();
  const auto adapter = attach();
  disturb(*adapter);
  const Tensor adapted = logits();
  adapter->suspend();
  EXPECT_TRUE(at::equal(logits(), before));
  adapter->resume();
  EXPECT_TRUE(at::equal(logits(), adapted));
}

TEST_P(EveryMethod, ComputesTheSameAfterExportAndImport) {
  TemporaryDirectory folder;
  Tensor expected;
  {
    const auto adapter = attach();
    disturb(*adapter);
    expected = logits();
    save_adapter(*adapter, folder.path(), "base");
  }
  const auto loaded = load_adapter(*model_, read_adapter(folder.path()));
  EXPECT_TRUE(at::equal(logits(), expected));
}

TEST_P(EveryMethod, GivesTheHostBackWhenItEnds) {
  const Tensor before = logits();
  {
    const auto adapter = attach();
    disturb(*adapter);
    EXPECT_FALSE(at::equal(logits(), before));
  }
  EXPECT_TRUE(at::equal(logits(), before));
}

TEST_P(EveryMethod, ComputesRowsTheSameAloneAndTogether) {
  const at::NoGradGuard no_grad;
  const auto adapter = attach();
  disturb(*adapter);
  const std::vector<const Example*> first = {&long_};
  const std::vector<const Example*> second = {&short_};
  const double apart = model_->loss(make_batch(first)).sum.item<double>() +
                       model_->loss(make_batch(second)).sum.item<double>();
  EXPECT_NEAR(model_->loss(batch()).sum.item<double>(), apart, 1e-5 * std::abs(apart));
}

TEST_P(EveryMethod, CountsEachTokenAsItsWeightSays) {
  if (classifies()) {
    GTEST_SKIP() << "classifiers have no weights";
  }
  const at::NoGradGuard no_grad;
  const auto adapter = attach();
  disturb(*adapter);
  long_.weights = {2, 1, 0.5, 0.5, 2, 1};
  const double weighted = model_->loss(batch()).sum.item<double>();
  double expected = 0.0;
  for (const float weight : {0.5F, 1.0F, 2.0F}) {
    Example part = long_;
    std::vector<int32_t> labels = long_.labels.vector();
    for (size_t i = 0; i < labels.size(); ++i) {
      labels[i] = long_.weights[i] == weight ? labels[i] : kIgnored;
    }
    part.labels = std::move(labels);
    part.weights = {};
    const std::vector<const Example*> rows = {&part};
    expected += weight * model_->loss(make_batch(rows)).sum.item<double>();
  }
  const std::vector<const Example*> rest = {&short_};
  expected += model_->loss(make_batch(rest)).sum.item<double>();
  EXPECT_NEAR(weighted, expected, 1e-5 * std::abs(expected));
}

TEST_P(EveryMethod, LetsNoRowSeeItsNeighbour) {
  const at::NoGradGuard no_grad;
  const auto adapter = attach();
  disturb(*adapter);
  const auto hidden_of_first = [&](int32_t neighbour) {
    const ModelInput input = model_->input(make_batch({ids_, {neighbour, 4, 4}}));
    const Tensor hidden = CausalLM::real_rows(model_->hidden(input), input);
    return hidden.narrow(0, 0, static_cast<int64_t>(ids_.size())).clone();
  };
  if (std::get<1>(GetParam()) == "mixtral") {
    // How many rows an expert multiplies at once depends on the neighbours, and rounding on that.
    EXPECT_TRUE(at::allclose(hidden_of_first(10), hidden_of_first(11), 1e-5, 1e-6));
  } else {
    EXPECT_TRUE(at::equal(hidden_of_first(10), hidden_of_first(11)));
  }
}

TEST_P(EveryMethod, AddsTheSameGradientHoweverAStepIsSplit) {
  const auto adapter = attach();
  disturb(*adapter);
  Optimizer optimizer(adapter->trainable(), {.type = "sgd"});
  model_->loss(batch()).sum.backward();
  const double together = optimizer.gradient_norm();
  optimizer.zero_gradients();
  const std::vector<const Example*> first = {&long_};
  const std::vector<const Example*> second = {&short_};
  model_->loss(make_batch(first)).sum.backward();
  model_->loss(make_batch(second)).sum.backward();
  EXPECT_NEAR(optimizer.gradient_norm(), together, 1e-5 * together);
}

TEST_P(EveryMethod, GeneratesWithACacheAsWithoutOne) {
  if (classifies()) {
    GTEST_SKIP() << "classifiers generate nothing";
  }
  const auto adapter = attach();
  disturb(*adapter);
  std::vector<int32_t> ids = ids_;
  for (int i = 0; i < 6; ++i) {
    const Tensor last = logits_of(*model_, ids).select(0, -1);
    ids.push_back(static_cast<int32_t>(last.argmax().item<int64_t>()));
  }
  const auto generated = generate(*model_, {ids_}, {.max_new_tokens = 6}, at::kCPU);
  EXPECT_EQ(generated[0].ids, std::vector<int32_t>(ids.end() - 6, ids.end()));
}

INSTANTIATE_TEST_SUITE_P(Table, EveryMethod,
                         testing::Combine(testing::ValuesIn(kMethods),
                                          testing::ValuesIn(tiny_architectures_and_classifiers())),
                         [](const auto& entry) {
                           return std::string(std::get<0>(entry.param).name) + "_" +
                                  test_name(std::get<1>(entry.param));
                         });

TEST(EveryMethodTable, HasEveryMethodOfTheRegistry) {
  for (const MethodEntry& entry : method_entries()) {
    const bool listed =
        std::any_of(std::begin(kMethods), std::end(kMethods),
                    [&](const MethodCase& m) { return m.name == std::string(entry.peft_type); });
    EXPECT_TRUE(listed) << entry.peft_type;
  }
}

}  // namespace
}  // namespace peft
