// What every method promises, on every architecture. A new method joins by its line in kMethods.
#include "peft/config/adapter_config.h"
#include "peft/evaluation/generator.h"
#include "peft/methods/adapter_io.h"
#include "peft/methods/registry.h"
#include "peft/training/optimizer.h"
#include "support/fixtures.h"

namespace peft {
namespace {

/// A method as this suite attaches it: its smallest adapter_config.json.
struct MethodCase {
  const char* name;
  const char* config;
  bool identity_at_start;
};

const MethodCase kMethods[] = {
    {"LORA", R"({"peft_type": "LORA", "r": 4, "target_modules": "all-linear"})", true},
};
const char* const kArchitectures[] = {"llama", "mistral", "qwen2", "qwen3", "gpt2"};

class EveryMethod : public testing::TestWithParam<std::tuple<MethodCase, const char*>> {
 protected:
  const MethodCase& method() const { return std::get<0>(GetParam()); }

  std::unique_ptr<Adapter> attach() {
    return attach_adapter(*model_, complete_adapter_config(Json::parse(method().config)),
                          /*seed=*/1);
  }

  /// Moves every trained tensor: zero-initialised ones would hide faults.
  static void disturb(const Adapter& adapter) {
    const at::NoGradGuard no_grad;
    uint64_t seed = 7;
    for (auto [name, tensor] : adapter.trainable()) {
      tensor.add_(at::randn(tensor.sizes(), tensor_generator(++seed, name)) * 0.1);
    }
  }

  Tensor logits() const { return logits_of(*model_, ids_); }

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
  if (!method().identity_at_start) {
    GTEST_SKIP() << method().name << " does not promise identity at step 0";
  }
  EXPECT_TRUE(at::equal(logits(), before));
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
  for (const auto& parameter : model_->named_parameters()) {
    EXPECT_FALSE(parameter.value().grad().defined()) << parameter.key();
  }
}

TEST_P(EveryMethod, LeavesTheHostsWeightsUnchangedByTraining) {
  const std::vector<Tensor> before = host_values();
  const auto adapter = attach();
  Optimizer optimizer(adapter->trainable(), {});
  for (int step = 0; step < 3; ++step) {
    optimizer.zero_gradients();
    model_->loss(batch()).sum.backward();
    optimizer.step(/*learning_rate=*/0.01);
  }
  const std::vector<Tensor> after = host_values();
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(at::equal(before[i], after[i]));
  }
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

TEST_P(EveryMethod, LetsNoRowSeeItsNeighbour) {
  const at::NoGradGuard no_grad;
  const auto adapter = attach();
  disturb(*adapter);
  const auto hidden_of_first = [&](int32_t neighbour) {
    const Tensor hidden = model_->hidden(model_->input(make_batch({ids_, {neighbour, 4, 4}})));
    return hidden.narrow(0, 0, static_cast<int64_t>(ids_.size())).clone();
  };
  EXPECT_TRUE(at::equal(hidden_of_first(10), hidden_of_first(11)));
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
                                          testing::ValuesIn(kArchitectures)),
                         [](const auto& entry) {
                           return std::string(std::get<0>(entry.param).name) + "_" +
                                  std::get<1>(entry.param);
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
